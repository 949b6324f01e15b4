"""The sheet of cmc."""

from tests.sheets.common import CROP, TORCH, TORCHVISION

CMC_SGD = {"name": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4}
CMC_SGD |= {"exclude": "none"}
CMC_RATE = (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.01, 200: 0.001})
CMC = {"dim": 128, "temperature": 0.07, "momentum": 0.5, "core": False}
CMC |= {"contrast": "softmax", "examples": 1_281_167}
CHANNELS = {**CROP, **TORCHVISION, "jitter": None, "grayscale": 0.0, "blur": 0.0}
HALVES = {"widths": (48, 128, 192, 192, 128), "hidden": 2048, "norm": "batch"}
SHEETS = {
    "imagenet": {
        "batch_size": 128,
        "epochs": 240,
        "normalize": None,
        "encoders/0": {"name": "resnet50", "width": 0.5, "zero_init": False, **TORCH},
        "encoders/1": {"name": "resnet50", "width": 0.5, "zero_init": False, **TORCH},
        "view": {**CHANNELS, "size": 224, "scale": (0.08, 1.0)},
        "views": {"space": "lab", "channels": (1, 2)},
        "method": {**CMC, "negatives": 4096},
        "optimizer": CMC_SGD,
        "rate": CMC_RATE,
    },
    "alexnet": {
        "batch_size": 256,
        "epochs": 240,
        "encoders/0": {"name": "alexnet", **HALVES},
        "encoders/1": {"name": "alexnet", **HALVES},
        "view": {**CHANNELS, "size": 224, "scale": (0.2, 1.0)},
        "method": {**CMC, "negatives": 16384},
        "optimizer": CMC_SGD,
        "rate": CMC_RATE,
    },
    "cifar10": {
        "batch_size": 128,
        "epochs": 240,
        "normalize": None,
        "encoders/0": {"name": "resnet18", "width": 0.5, "stem": "cifar"},
        "encoders/1": {"name": "resnet18", "width": 0.5, "stem": "cifar"},
        "view": {**CHANNELS, "size": 32, "scale": (0.2, 1.0)},
        "views": {"space": "lab", "channels": (1, 2)},
        "method": {**CMC, "examples": 50_000, "negatives": 4096, "temperature": 0.1},
        "optimizer": CMC_SGD,
        "rate": CMC_RATE,
    },
    "core": {
        "encoders/0": {"name": "resnet18", "width": 0.5, "stem": "cifar"},
        "encoders/2": {"name": "resnet18", "width": 0.5, "stem": "cifar"},
        "views": {"space": "lab", "channels": (1, 1, 1)},
        "method": {"core": True, "negatives": 4096, "temperature": 0.1},
        "optimizer": CMC_SGD,
        "rate": CMC_RATE,
    },
}
