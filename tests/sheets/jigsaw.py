"""The sheet of jigsaw."""

VIEWS = {"name": "jigsaw", "grid": 3, "tile": 64, "criterion": "max_mean"}
VIEWS |= {"normalize": True}
SHEETS = {
    "imagenet": {
        "batch_size": 256,
        "epochs": 70,
        "normalize": None,
        "encoder": {"name": "caffenet", "widths": (96, 256, 384, 384, 256)}
        | {"hidden": 1024, "stride": 2, "padding": 0, "groups": 2}
        | {"response_norm": True, "norm": None, "dropout": 0.5, "init": "gauss"},
        "classifier": {"name": "caffenet_head", "dim": 1000, "hidden": (4096,)}
        | {"norm": None, "dropout": 0.5, "init": "gauss"},
        "view": {"name": "fixed_crop", "size": 225, "resize_to": 256, "flip": 0.0},
        "views": {**VIEWS, "permutations": 1000, "jitter": 2, "grey": 0.3},
        "evaluated": {"name": "center", "size": 225, "resize_to": 256},
        "method": {"permutations": 1000, "tiles": 9, "features": "conv4"}
        | {"criterion": "max_mean"},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 5e-4},
        "others/0": {"match": ("bias",), "momentum": 0.9, "weight_decay": 0.0},
        "rate": {
            "optimizer": (0.01, {19.9: 1.0, 20: 0.1, 40: 0.01, 60: 1e-3}),
            "others/0": (0.02, {19.9: 1.0, 20: 0.1, 40: 0.01, 60: 1e-3}),
        },
    },
    "resnet50": {
        "batch_size": 256,
        "epochs": 105,
        "normalize": None,
        "encoder": {"name": "resnet50", "bn_momentum": 0.9, "bn_eps": 1e-5},
        "projector": {"name": "mlp", "hidden": 1000, "norm": "batch", "bias": True}
        | {"output": "hidden1"},
        "classifier": {"name": "linear", "dim": 100},
        "view": {"name": "fixed_crop", "size": 255, "resize_to": 256, "flip": 0.5},
        "views": {**VIEWS, "permutations": 100, "jitter": 0, "grey": 0.66},
        "method": {"permutations": 100},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": ("bn",)},
        "rate": (
            0.1,
            {0: 0.25, 2.5: 0.625, 5: 1.0, 30: 0.1, 60: 0.01, 90: 1e-3, 100: 1e-4},
        ),
    },
}
