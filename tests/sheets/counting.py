"""The sheet of counting."""

WAYS = ("bicubic", "bilinear", "lanczos", "box")
COMMON = {
    "normalize": None,
    "encoder": {"name": "caffenet", "widths": (96, 256, 384, 384, 256)}
    | {"hidden": 4096, "stride": 4, "groups": 1, "norm": None, "dropout": 0.0}
    | {"response_norm": False},
    "counter": {"name": "mlp", "hidden": 4096, "dim": 1000, "depth": 2}
    | {"norm": None, "bias": True, "last_norm": None},
    "method": {"margin": 10.0, "features": "conv3"},
}
SHEETS = {
    "imagenet": {
        **COMMON,
        "batch_size": 256,
        "view": {"name": "fixed_crop", "size": 224, "resize_to": 256, "flip": 0.0},
        "views": {"grey": 0.67, "normalize": True, "ways": WAYS, "both": False},
        "evaluated": {"size": 224, "resize_to": 256},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 0.0, "exclude": "none"},
        # 0.9 every 10,000 steps, of 5004 an epoch.
        "rate": (1e-4, {0: 1.0, 1.9: 1.0, 2.1: 0.9, 10.1: 0.9**5, 39.9: 0.9**19}),
    },
    "adam": {
        **COMMON,
        "batch_size": 128,
        "epochs": 125,
        "view": {"name": "view", "size": 256, "scale": (0.08, 1.0), "flip": 0.0},
        "views": {"grey": 0.67, "normalize": True, "ways": WAYS, "both": True},
        "optimizer": {"name": "adam", "b1": 0.9, "b2": 0.999, "eps": 1e-8}
        | {"eps_first": True, "weight_decay": 0.0, "exclude": "none"},
        "rate": (1e-4, {0: 1.0, 75: 1.0, 100: 0.5005, 125: 1e-3}),
    },
}
