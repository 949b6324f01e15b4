"""The sheet of moco_v3."""

from tests.sheets.common import LARS, TORCH, TORCH_BYOL, TWINS

MOCO_V3 = {"hidden": 4096, "dim": 256}
MOCO_VIT = {"name": "vit", "patch_size": 16, "positions": "sincos_row", "pool": "cls"}
MOCO_VIT |= {"init": "xavier_qkv", "freeze_patches": True, "drop_path": 0.0}
MOCO_ADAMW = {"name": "adamw", "b1": 0.9, "b2": 0.999, "weight_decay": 0.1}
MOCO_ADAMW |= {"exclude": "none", "clip": None, "match": ("patch_embed",)}
SHEETS = {
    "imagenet": {
        "batch_size": 4096,
        "epochs": 300,
        "normalize": "imagenet",
        "encoder": {**MOCO_VIT, "size": "small", "heads": 12},
        "first": {**TORCH_BYOL, "blur": 1.0, "solarize": 0.0, "size": 224},
        "second": {**TORCH_BYOL, "blur": 0.1, "solarize": 0.2, "size": 224},
        "method": {**MOCO_V3, "depth": 3, "predictor_norm": True, "temperature": 0.2},
        "momentum": {0: 0.99, 150: 0.995, 300: 1.0},
        "optimizer": MOCO_ADAMW,
        "rate": (2.4e-3, {0: 0.0, 40: 1.0, 170: 0.5, 300: 0.0}),
    },
    "base": {
        "batch_size": 4096,
        "epochs": 300,
        "encoder": {**MOCO_VIT, "size": "base", "heads": None},
        "method": {**MOCO_V3, "depth": 3, "predictor_norm": True, "temperature": 0.2},
        "optimizer": MOCO_ADAMW,
        "rate": (2.4e-3, {40: 1.0, 300: 0.0}),
    },
    "resnet50": {
        "batch_size": 4096,
        "epochs": 300,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **TORCH},
        "first": {**TORCH_BYOL, "scale": (0.2, 1.0), "blur": 1.0, "solarize": 0.0},
        "second": {**TORCH_BYOL, "scale": (0.2, 1.0), "blur": 0.1, "solarize": 0.2},
        "method": {**MOCO_V3, "depth": 2, "predictor_norm": False, "temperature": 1.0},
        "momentum": {0: 0.99, 150: 0.995, 300: 1.0},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (4.8, {0: 0.0, 10: 1.0, 155: 0.5, 300: 0.0}),
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", **TORCH},
        "first": {**TWINS, "blur": 0.0, "solarize": 0.0, "size": 32},
        "second": {**TWINS, "blur": 0.0, "solarize": 0.2, "size": 32},
        "method": {**MOCO_V3, "depth": 2, "predictor_norm": False, "temperature": 0.2},
        "momentum": {0: 0.99, 1000: 1.0},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (0.3, {0: 0.0, 10: 1.0, 1000: 0.0}),
    },
}
