"""The sheet of cut."""

TAPS = ("padded", "down1", "down2", "block1", "block5")
RELEASED = {
    "batch_size": 1,
    "normalize": "half",
    "generator": {"name": "resnet_generator", "width": 64, "blocks": 9},
    "discriminator": {"name": "patch_discriminator", "width": 64, "layers": 3},
    "heads": {"name": "patch_heads", "hidden": 256, "dim": 256},
    "first": {"name": "fixed_crop", "size": 256, "resize_to": 286, "flip": 0.5}
    | {"stretch": True, "resize": "bicubic"},
    "optimizer": {"name": "adam", "b1": 0.5, "b2": 0.999, "eps": 1e-8}
    | {"weight_decay": 0.0},
}
METHOD = {"taps": TAPS, "patches": 256, "temperature": 0.07, "gan_weight": 1.0}
METHOD |= {"whole_batch": False, "momentum": None}
SHEETS = {
    "cut": {
        **RELEASED,
        "epochs": 400,
        "views": {"name": "two_domains", "flipped": 0.0},
        "method": {**METHOD, "weight": 1.0, "identity": True},
        "rate": (2e-4, {0: 1.0, 199.9: 1.0, 300: 100 / 201, 399.9: 1 / 201}),
    },
    "fastcut": {
        **RELEASED,
        "epochs": 200,
        "views": {"name": "two_domains", "flipped": 0.5},
        "method": {**METHOD, "weight": 10.0, "identity": False},
        "rate": (2e-4, {0: 1.0, 149.9: 1.0, 175: 25 / 51, 199.9: 1 / 51}),
    },
}
