"""The sheet of align_uniform."""

from tests.sheets.common import CROP, MOCO, TORCH

# Alignment and uniformity: the jitter of MoCo v1, always there.
JITTERED = {**MOCO, **CROP, "jitter": (0.4, 0.4, 0.4, 0.4), "jitter_prob": 1.0}
JITTERED |= {"grayscale": 0.2, "blur": 0.0}
ALIGN = {
    "batch_size": 768,
    "epochs": 200,
    "method": {"dim": 128, "alpha": 2.0, "t": 2.0}
    | {"align_weight": 1.0, "uniform_weight": 1.0},
    "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
    | {"weight_decay": 1e-4, "exclude": "none"},
    "rate": (0.36, {0: 1.0, 154.9: 1.0, 155: 0.1, 170: 0.01, 185: 0.001}),
}
SHEETS = {
    "stl10": {
        **ALIGN,
        "normalize": "stl10",
        "encoder": {"name": "small_alexnet", "hidden": 4096, "bn_groups": 1},
        "first": {**JITTERED, "size": 64},
        "evaluated": {"size": 64, "resize_to": 70},
    },
    "cifar10": {
        **ALIGN,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**JITTERED, "size": 32},
    },
}
