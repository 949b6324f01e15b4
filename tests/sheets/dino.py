"""The sheet of dino."""

from tests.sheets.common import COLOURS, CROP, TORCH, TORCHVISION

DINO = {**CROP, **COLOURS, **TORCHVISION, "colour": "torchvision"}
DINO |= {"resize": "bicubic", "jitter": (0.4, 0.4, 0.2, 0.1)}
DINO_HEAD = {"hidden": 2048, "bottleneck": 256, "student_temperature": 0.1}
DINO_HEAD |= {"centre_momentum": 0.9}
SHEETS = {
    "imagenet": {
        "batch_size": 1024,
        "epochs": 300,
        "normalize": "imagenet",
        "encoder": {"name": "vit_small", "patch_size": 16, "drop_path": 0.1}
        | {"resize": "factor", "pool": "cls", "init": "truncated"},
        "first": {**DINO, "scale": (0.4, 1.0), "size": 224, "blur": 1.0}
        | {"solarize": 0.0},
        "second": {**DINO, "scale": (0.4, 1.0), "size": 224, "blur": 0.1}
        | {"solarize": 0.2},
        "small": {**DINO, "scale": (0.05, 0.4), "size": 96, "blur": 0.5}
        | {"solarize": 0.0},
        "views": {"name": "multi_crop", "count": 8},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {**DINO_HEAD, "dim": 65536, "with_gain": True},
        "momentum": {0: 0.996, 150: 0.998, 300: 1.0},
        "teacher_temperature": {0: 0.04, 0.9: 0.04, 29: 0.07, 300: 0.07},
        "optimizer": {"name": "adamw", "b1": 0.9, "b2": 0.999, "exclude": "rank_one"}
        | {"norm": 3.0, "per": "tensor", "match": ("prototypes",), "steps": 1251},
        "weight_decay": {0: 0.04, 150: 0.22, 300: 0.4},
        "rate": (2e-3, {0: 0.0, 10: 1.0, 155: 0.5, 300: 5e-4}),
    },
    "resnet50": {
        "batch_size": 512,
        "epochs": 100,
        "encoder": {"name": "resnet50", "zero_init": False, **TORCH},
        "first": {**DINO, "scale": (0.14, 1.0), "size": 224, "blur": 1.0},
        "small": {**DINO, "scale": (0.05, 0.14), "size": 96, "blur": 0.5},
        "method": {**DINO_HEAD, "dim": 65536, "with_gain": False}
        | {"teacher_temperature": 0.04},
        "momentum": {0: 0.996, 100: 1.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "weight_decay": 1e-4}
        | {"exclude": "rank_one", "norm": 3.0, "steps": 2502},
        "rate": (0.06, {0: 0.0, 10: 1.0, 55: 0.5, 100: 0.0}),
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", **TORCH},
        "first": {**DINO, "scale": (0.08, 1.0), "blur": 0.0, "solarize": 0.0}
        | {"size": 32},
        "second": {**DINO, "scale": (0.08, 1.0), "blur": 0.0, "solarize": 0.2},
        "views": {"name": "two_views"},
        "method": {**DINO_HEAD, "dim": 4096, "with_gain": False}
        | {"teacher_temperature": 0.07},
        "momentum": {0: 0.9995, 1000: 1.0},
        "optimizer": {"name": "larc", "weight_decay": 1e-6, "trust": 0.02}
        | {"clip": True, "exclude": "rank_one", "steps": 195},
        "rate": (0.3, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
}
