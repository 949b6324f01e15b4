"""The sheet of byol."""

from tests.sheets.common import COLOURS, CROP, KERAS, LARS, TENSORFLOW

BYOL = {**CROP, **COLOURS, **TENSORFLOW, "crop": "byol", "colour": "byol"}
BYOL |= {"jitter": (0.4, 0.4, 0.2, 0.1), "threshold": 0.5}
SHEETS = {
    "imagenet": {
        "batch_size": 4096,
        "epochs": 300,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **KERAS},
        "first": {**BYOL, "blur": 1.0, "solarize": 0.0, "size": 224},
        "second": {**BYOL, "blur": 0.1, "solarize": 0.2, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 4096, "dim": 256},
        "momentum": {0: 0.99, 150: 0.995, 300: 1.0},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (4.8, {0: 0.0, 10: 1.0, 155: 0.5, 300: 0.0}),
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", **KERAS},
        "first": {**BYOL, "blur": 0.0, "solarize": 0.0, "size": 32},
        "second": {**BYOL, "blur": 0.0, "solarize": 0.2, "size": 32},
        "method": {"hidden": 4096, "dim": 256},
        "momentum": {0: 0.99, 1000: 1.0},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (2.0, {0: 0.0, 10: 1.0, 1000: 0.0}),
    },
}
