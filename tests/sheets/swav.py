"""The sheet of swav."""

from tests.sheets.common import COLOURS, CROP, TORCH, TORCHVISION

SWAV = {**CROP, **COLOURS, **TORCHVISION, "colour": "torchvision", "blur": 0.5}
SWAV |= {"jitter": (0.8, 0.8, 0.8, 0.2), "solarize": 0.0}
# Three rounds of Sinkhorn, a head that is not wide.
CODES = {"hidden": 2048, "dim": 128, "prototypes": 3000, "temperature": 0.1}
CODES |= {"epsilon": 0.05, "iterations": 3}
LARC = {"name": "larc", "momentum": 0.9, "weight_decay": 1e-6, "eps": 1e-8}
LARC |= {"match": ("prototypes",)}
SHEETS = {
    "imagenet": {
        "batch_size": 4096,
        "epochs": 800,
        "normalize": "swav",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 1, **TORCH},
        "first": {**SWAV, "scale": (0.14, 1.0), "size": 224},
        "small": {**SWAV, "scale": (0.05, 0.14), "size": 96},
        "views": {"name": "multi_crop", "second": None, "count": 6},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {**CODES, "queue_size": 0},
        "optimizer": {**LARC, "trust": 0.001, "clip": False, "exclude": "none"}
        | {"steps": 312},
        "rate": (4.8, {0: 1 / 16, 5: 17 / 32, 10: 1.0, 405: 0.5, 800: 1e-3}),
    },
    "imagenet_256": {
        "batch_size": 256,
        "epochs": 400,
        "normalize": "swav",
        "encoder": {"name": "resnet50", "zero_init": False, **TORCH},
        "small": {**SWAV, "scale": (0.05, 0.14), "size": 96},
        "method": {**CODES, "queue_size": 3840, "queue_start": 15 * 5004},
        "optimizer": {**LARC, "trust": 0.001, "clip": False, "steps": 5004},
        "rate": (0.6, {0: 1.0, 200: 0.5, 400: 1e-3}),
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", **TORCH},
        "first": {**SWAV, "resize": "bicubic", "size": 32},
        "views": {"name": "two_views", "second": None},
        "method": {**CODES, "queue_size": 3840, "queue_start": 50 * 195},
        "optimizer": {**LARC, "trust": 0.02, "clip": True, "exclude": "rank_one"}
        | {"steps": 2 * 195},
        "rate": (0.6, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
}
