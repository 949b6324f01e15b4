"""The sheet of rotation."""

from tests.sheets.common import CROP, TORCHVISION

BN = {"bn_momentum": 0.9, "bn_eps": 1e-5}
SHEETS = {
    "cifar10": {
        "batch_size": 128,
        "epochs": 200,
        "normalize": "cifar10_rotnet",
        "encoder": {"name": "nin", "blocks": 4},
        "view": {"name": "shifted", "padding": 4, "mode": "zero", "flip": 0.5},
        "method": {"features": "conv2"},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}
        | {"weight_decay": 5e-4, "exclude": "none"},
        "rate": (0.1, {0: 1.0, 59.9: 1.0, 60: 0.2, 120: 0.04, 160: 0.008}),
    },
    "imagenet": {
        "epochs": 105,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", **BN},
        "view": {**CROP, **TORCHVISION, "jitter": None, "size": 224},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "rank_one"},
        # 0.1 for 256 inputs, of which an image is four.
        "rate": (0.4, {5: 1.0, 30: 0.1, 60: 0.01, 90: 0.001, 100: 1e-4}),
    },
}
