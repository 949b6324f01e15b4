"""The sheet of colorization."""

SHEETS = {
    "imagenet": {
        "batch_size": 40,
        "steps": 500_000,
        "normalize": None,
        "encoder": {"name": "colorizer", "bins": 313, "width": 64},
        "views": {"name": "lab", "stride": 4, "colourless": 5.0},
        "view": {"name": "fixed_crop", "size": 176, "resize_to": 256, "flip": 0.5}
        | {"stretch": True},
        "evaluated": {"name": "center", "size": 176, "resize_to": 256},
        "method": {"neighbours": 10, "sigma": 5.0, "uniform": 0.5, "alpha": 1.0}
        | {"temperature": 0.38, "centres": None, "prior": None},
        "optimizer": {"name": "adam", "b1": 0.9, "b2": 0.99, "eps": 1e-8}
        | {"weight_decay": 1e-3, "exclude": "none"},
        # Epochs of 32,029 steps.
        "rate": (3e-5, {0: 1.0, 7.0: 1.0, 7.03: 0.1, 14.0: 0.1, 14.06: 0.01}),
    },
}
