"""The sheet of supcon."""

from tests.sheets.common import MOCO, TORCH

SHEETS = {
    "cifar10": {
        "batch_size": 1024,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet50", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**MOCO, "scale": (0.2, 1.0), "blur": 0.0, "size": 32},
        "method": {"hidden": 2048, "dim": 128, "temperature": 0.1}
        | {"base_temperature": 0.07},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.5, {0: 0.02, 5: 0.51, 10: 0.9997, 499: 0.5005, 1000: 0.001}),
    },
}
