"""The sheet of barlow_twins."""

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
        "method": {"hidden": 8192, "dim": 8192, "depth": 3}
        | {"redundancy_weight": 0.0051, "scale": 1 / 16},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "others/0": {"name": "lars_byol", **LARS, "match": "rank_one"},
        "rate": {
            "optimizer": (1.6, {0: 0.0, 5: 0.5, 10: 1.0, 505: 0.5005, 1000: 0.001}),
            "others/0": (0.0384, {0: 0.0, 10: 1.0, 505: 0.5005, 1000: 0.001}),
        },
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**TWINS, "blur": 0.0, "solarize": 0.0, "size": 32},
        "second": {**TWINS, "blur": 0.0, "solarize": 0.2, "size": 32},
        "method": {"hidden": 2048, "dim": 2048, "depth": 3}
        | {"redundancy_weight": 0.005, "scale": 0.1},
        "optimizer": {**SOLO_LARS, "weight_decay": 1e-4},
        "rate": (0.3, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
}
