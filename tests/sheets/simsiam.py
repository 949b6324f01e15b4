"""The sheet of simsiam."""

from tests.sheets.common import MOCO, TORCH

SGD = {"name": "sgd", "momentum": 0.9, "nesterov": False, "exclude": "none"}
SHEETS = {
    "imagenet": {
        "batch_size": 512,
        "epochs": 100,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **TORCH},
        "first": {**MOCO, "scale": (0.2, 1.0), "blur": 0.5, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 2048, "dim": 2048, "depth": 3, "bottleneck": 512},
        "optimizer": {**SGD, "weight_decay": 1e-4},
        "others/0": {**SGD, "weight_decay": 1e-4, "match": ("predictor",)},
        "rate": {
            "optimizer": (0.1, {0: 1.0, 50: 0.5, 50.9: 0.5, 99.9: 0.0}),
            "others/0": (0.1, {0: 1.0, 50: 1.0, 99.9: 1.0}),
        },
    },
    "cifar10": {
        "batch_size": 512,
        "epochs": 800,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": True, **TORCH},
        "first": {**MOCO, "scale": (0.2, 1.0), "blur": 0.0, "size": 32},
        "method": {"hidden": 2048, "dim": 2048, "depth": 2, "bottleneck": 512},
        "optimizer": {**SGD, "weight_decay": 5e-4},
        "others/0": {**SGD, "weight_decay": 5e-4, "match": ("predictor",)},
        "rate": {
            "optimizer": (0.06, {0: 1.0, 400: 0.5, 799.9: 0.0}),
            "others/0": (0.06, {0: 1.0, 799.9: 1.0}),
        },
    },
}
