"""The sheet of mae."""

from tests.sheets.common import CROP

MAE_CROP = {"resize": "bicubic", "jitter": None, "grayscale": 0.0, "blur": 0.0}
ADAMW = {"name": "adamw", "b1": 0.9, "b2": 0.95, "weight_decay": 0.05}
ADAMW |= {"exclude": "rank_one", "clip": None}
SHEETS = {
    "base": {
        "batch_size": 4096,
        "epochs": 800,
        "normalize": "imagenet",
        "encoder": {"name": "mae_encoder", "size": "base", "patch_size": 16},
        "decoder": {"width": 512, "depth": 8, "heads": 16, "patch_size": 16},
        "view": {**CROP, **MAE_CROP, "scale": (0.2, 1.0), "size": 224},
        "mask": {"name": "hide_patches", "ratio": 0.75, "patch_size": 16},
        "method": {"normalize_target": True, "patch_size": 16},
        "optimizer": ADAMW,
        "rate": (2.4e-3, {0: 0.0, 40: 1.0, 420: 0.5, 800: 0.0}),
    },
    "huge": {
        "encoder": {"size": "huge", "patch_size": 14},
        "mask": {"ratio": 0.75, "patch_size": 14},
        "optimizer": ADAMW,
        "rate": (2.4e-3, {40: 1.0, 800: 0.0}),
    },
    "cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "mae_encoder", "size": "small", "patch_size": 4},
        "view": {**CROP, **MAE_CROP, "size": 32},
        "mask": {"ratio": 0.75, "patch_size": 4},
        "optimizer": ADAMW,
        "rate": (2e-4, {0: 0.0, 10: 1.0, 1000: 0.0}),
    },
}
