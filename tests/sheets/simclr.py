"""The sheet of simclr."""

from tests.sheets.common import KERAS, LARS, SIMCLR

# SimCLR v2's pretraining.
V2 = {
    "batch_size": 4096,
    "epochs": 800,
    "normalize": None,
    "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **KERAS},
    "first": {**SIMCLR, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "size": 224},
    "evaluated": {"fraction": 0.875, "resize_to": None, "size": 224},
    "method": {"hidden": 2048, "dim": 128, "depth": 3, "temperature": 0.1},
    "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-4, "nesterov": False},
    "rate": (6.4, {0: 0.0, 20: 0.5, 40: 1.0, 420: 0.5, 800: 0.0}),
}
SHEETS = {
    "imagenet": {
        "batch_size": 4096,
        "epochs": 100,
        "normalize": None,
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **KERAS},
        "first": {**SIMCLR, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "size": 224},
        "evaluated": {"fraction": 0.875, "resize_to": None, "size": 224},
        "method": {"hidden": 2048, "dim": 128, "depth": 2, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6, "nesterov": False},
        "rate": (4.8, {0: 0.0, 5: 0.5, 10: 1.0, 55: 0.5, 100: 0.0}),
    },
    "v2": V2,
    "cifar10": {
        "batch_size": 512,
        "epochs": 1000,
        "normalize": None,
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": True, **KERAS},
        "first": {**SIMCLR, "jitter": (0.4, 0.4, 0.4, 0.1), "blur": 0.0, "size": 32},
        "method": {"hidden": 512, "dim": 128, "depth": 2, "temperature": 0.5},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-4},
        "rate": (2.0, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
}
