"""The sheet of deepmim."""

from tests.sheets.common import CROP
from tests.sheets.mae import ADAMW, MAE_CROP

TAPS = ("block5", "block7", "block9", "tokens")
BASE = {
    "batch_size": 4096,
    "epochs": 1600,
    "normalize": "imagenet",
    "encoder": {"name": "mae_encoder", "size": "base", "patch_size": 16},
    "decoder": {"dim": 768, "width": 512, "depth": 4, "heads": 16, "taps": 4},
    "view": {**CROP, **MAE_CROP, "scale": (0.2, 1.0), "size": 224},
    "mask": {"name": "hide_patches", "ratio": 0.75, "patch_size": 16},
    "method": {"normalize_target": True, "patch_size": 16, "taps": TAPS},
    "optimizer": ADAMW,
    "rate": (2.4e-3, {0: 0.0, 40: 1.0, 820: 0.5, 1600: 0.0}),
}
SHEETS = {
    "base": BASE,
    "clip": BASE
    | {
        "decoder": {**BASE["decoder"], "dim": 512},
        "teacher": {"name": "clip_vit", "dim": 512, "width": 768, "depth": 12}
        | {"heads": 12, "patch_size": 16, "output": "tokens"},
        "method": {**BASE["method"], "normalized": "imagenet"}
        | {"teacher_normalized": "clip"},
    },
}
