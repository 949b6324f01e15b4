"""The sheet of invaspread."""

from tests.sheets.common import INSTANCE, TORCH

SHEETS = {
    "cifar10": {
        "batch_size": 128,
        "epochs": 301,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**INSTANCE, "size": 32, "grey_first": False, "flip": 0.5},
        "method": {"dim": 128, "temperature": 0.1, "negative_weight": 1.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 5e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.05, 200: 0.01}),
    },
}
