"""The sheet of moco."""

from tests.sheets.common import INSTANCE, MOCO, TORCH

SHEETS = {
    "imagenet": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 8, **TORCH},
        "first": {**MOCO, "scale": (0.2, 1.0), "blur": 0.5, "size": 224},
        "method": {"hidden": 2048, "dim": 128, "queue_size": 65536}
        | {"momentum": 0.999, "temperature": 0.2},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 100: 0.5, 100.9: 0.5, 199.9: 0.0}),
    },
    "v1": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 8, **TORCH},
        "first": {**INSTANCE, "size": 224, "grey_first": True},
        "method": {"hidden": None, "dim": 128, "queue_size": 65536}
        | {"momentum": 0.999, "temperature": 0.07},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.01}),
    },
    "cifar10": {
        "batch_size": 512,
        "epochs": 200,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "bn_groups": 8, **TORCH},
        "first": {**MOCO, "scale": (0.08, 1.0), "blur": 0.0, "size": 32},
        "method": {"hidden": None, "dim": 128, "queue_size": 4096}
        | {"momentum": 0.99, "temperature": 0.1},
        "optimizer": {"name": "sgd", "weight_decay": 5e-4, "exclude": "none"},
        "rate": (0.06, {0: 1.0, 100: 0.5, 199.9: 0.0}),
    },
}
