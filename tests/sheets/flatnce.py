"""The sheet of flatnce."""

from tests.sheets.common import CROP, LARS, MOCO, TORCH

SHEETS = {
    "imagenet": {
        "batch_size": 512,
        "epochs": 100,
        "normalize": None,
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 1, **TORCH},
        "first": {**MOCO, **CROP, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5}
        | {"size": 224, "kernel_size": None},
        "method": {"hidden": 2048, "dim": 128, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6},
        "rate": (0.6, {0: 0.0, 5: 0.5, 10: 1.0, 55: 0.5, 100: 0.0}),
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": None,
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**MOCO, **CROP, "blur": 0.0, "size": 32},
        "method": {"hidden": 512, "dim": 128, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6},
        "rate": (1.2, {0: 0.0, 10: 1.0, 105: 0.5, 200: 0.0}),
    },
}
