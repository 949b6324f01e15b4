"""The sheet of convmae."""

from tests.sheets.common import CROP
from tests.sheets.mae import ADAMW, MAE_CROP

SHEETS = {
    "base": {
        "batch_size": 3072,
        "epochs": 1600,
        "normalize": "imagenet",
        "encoder": {"name": "convmae_encoder", "widths": (256, 384, 768)}
        | {"depths": (2, 2, 11), "strides": (4, 2, 2), "heads": 12, "mlp_ratio": 4}
        | {"fusion": True, "positions": "sincos"},
        "decoder": {"width": 512, "depth": 8, "heads": 16, "patch_size": 16}
        | {"class_token": False},
        "view": {**CROP, **MAE_CROP, "scale": (0.2, 1.0), "size": 224},
        "mask": {"name": "hide_patches", "ratio": 0.75, "patch_size": 16},
        "method": {"normalize_target": True, "patch_size": 16},
        "optimizer": ADAMW,
        "rate": (1.8e-3, {0: 0.0, 40: 1.0, 820: 0.5, 1600: 0.0}),
    },
}
