"""The sheet of nnclr."""

from tests.sheets.common import LARS, SIMCLR, SOLO_LARS, TORCH, TWINS

SHEETS = {
    "imagenet": {
        "batch_size": 4096,
        "epochs": 1000,
        "encoder": {"name": "resnet50", "bn_groups": 1, **TORCH},
        "first": {**SIMCLR, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 2048, "dim": 256, "predictor_hidden": 4096}
        | {"queue_size": 98304, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6},
        "rate": (4.8, {0: 0.0, 5: 0.5, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**TWINS, "blur": 0.0, "solarize": 0.0, "size": 32},
        "second": {**TWINS, "blur": 0.0, "solarize": 0.2, "size": 32},
        "method": {"hidden": 2048, "dim": 256, "predictor_hidden": 4096}
        | {"queue_size": 65536, "temperature": 0.2},
        "optimizer": {**SOLO_LARS, "weight_decay": 1e-5},
        "rate": (0.4, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
}
