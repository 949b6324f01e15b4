"""The sheet of instdisc."""

from tests.sheets.common import INSTANCE, TORCH

SHEETS = {
    "imagenet": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 1, **TORCH},
        "view": {**INSTANCE, "size": 224, "grey_first": True},
        "method": {"examples": 1_281_167, "dim": 128, "negatives": 4096}
        | {"temperature": 0.07, "momentum": 0.5, "proximal": 0.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.01}),
    },
    "cifar10": {
        "batch_size": 128,
        "epochs": 200,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "view": {**INSTANCE, "size": 32, "grey_first": True, "flip": 0.0},
        "method": {"examples": 50_000, "dim": 128, "negatives": None}
        | {"temperature": 0.1, "momentum": 0.5, "proximal": 0.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 5e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.01}),
    },
}
