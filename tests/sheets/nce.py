"""The sheet of nce."""

from tests.sheets.common import KERAS, LARS, SIMCLR

# The normaliser of NCE, apart: constant, and without decay.
NORMALISER = {"others/0": (0.05, {0: 1.0, 100: 1.0})}
SHEETS = {
    "imagenet": {
        "batch_size": 4096,
        "epochs": 100,
        "normalize": None,
        "encoder": {"name": "resnet50", **KERAS},
        "first": {**SIMCLR, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "size": 224},
        "method": {"hidden": 2048, "dim": 128, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6},
        "rate": {"optimizer": (4.8, {0: 0.0, 10: 1.0, 100: 0.0}), **NORMALISER},
    },
    "cifar10": {
        "batch_size": 512,
        "epochs": 1000,
        "encoder": {"name": "resnet18", "stem": "cifar", **KERAS},
        "method": {"hidden": 512, "dim": 128, "temperature": 0.5},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-4},
        "rate": {"optimizer": (2.0, {0: 0.0, 10: 1.0, 1000: 0.0}), **NORMALISER},
    },
}
