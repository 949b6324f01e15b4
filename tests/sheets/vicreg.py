"""The sheet of vicreg."""

from tests.sheets.common import LARS, SOLO_LARS, TORCH, TWINS

SHEETS = {
    "imagenet": {
        "batch_size": 2048,
        "epochs": 1000,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **TORCH},
        "first": {**TWINS, "blur": 1.0, "solarize": 0.0, "size": 224},
        "second": {**TWINS, "blur": 0.1, "solarize": 0.2, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 8192, "dim": 8192, "depth": 3, "invariance_weight": 25}
        | {"variance_weight": 25, "covariance_weight": 1},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (1.6, {0: 0.0, 5: 0.5, 10: 1.0, 505: 0.5005, 1000: 0.001}),
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**TWINS, "scale": (0.2, 1.0), "blur": 0.0, "solarize": 0.1},
        "second": {**TWINS, "scale": (0.2, 1.0), "blur": 0.0, "solarize": 0.1},
        "method": {"hidden": 2048, "dim": 2048, "depth": 3, "invariance_weight": 25}
        | {"variance_weight": 50, "covariance_weight": 1},
        "optimizer": {**SOLO_LARS, "weight_decay": 1e-4},
        "rate": (0.3, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
}
