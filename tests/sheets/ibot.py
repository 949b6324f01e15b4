"""The sheet of ibot."""

from tests.sheets.dino import DINO

HEAD = {"dim": 8192, "hidden": 2048, "bottleneck": 256, "with_gain": True}
HEAD |= {"shared": True, "student_temperature": 0.1, "centre_momentum": 0.9}
HEAD |= {"class_weight": 1.0, "patch_weight": 1.0, "masked_from": 0}
ADAMW = {"name": "adamw", "b1": 0.9, "b2": 0.999, "exclude": "rank_one"}
ADAMW |= {"per": "tensor", "match": ("prototypes",), "steps": 1251}
RATIOS = {"ratios": (0.0, 0.3), "spread": (0.0, 0.2)}
VIT = {"patch_size": 16, "drop_path": 0.1, "resize": "factor", "pool": "cls"}
VIT |= {"positions": "learned", "mask_token": True, "init": "truncated"}


def sheet(encoder, epochs, *, mask, clip=3.0, method=HEAD, late=0):
    """Of one size."""
    half = (10 + epochs) / 2
    return {
        "batch_size": 1024,
        "epochs": epochs,
        "normalize": "imagenet",
        "encoder": encoder,
        "first": {**DINO, "scale": (0.25, 1.0), "size": 224, "blur": 1.0}
        | {"solarize": 0.0},
        "second": {**DINO, "scale": (0.25, 1.0), "size": 224, "blur": 0.1}
        | {"solarize": 0.2},
        "small": {**DINO, "scale": (0.05, 0.25), "size": 96, "blur": 0.5}
        | {"solarize": 0.0},
        "crops": {"name": "multi_crop", "count": 10},
        "mask": {**RATIOS, **mask},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": method,
        "momentum": {0: 0.996, epochs / 2: 0.998, epochs: 1.0},
        "teacher_temperature": {0: 0.04, 0.9: 0.04, 29: 0.07, epochs: 0.07},
        "patch_temperature": {late + 0.9: 0.04, late + 29: 0.07, epochs: 0.07},
        "optimizer": {**ADAMW, "norm": clip},
        "weight_decay": {0: 0.04, epochs / 2: 0.22, epochs: 0.4},
        "rate": (2e-3, {0: 0.0, 10: 1.0, half: 0.5, epochs: 5e-4}),
    }


BLOCKS = {"name": "hide_blocks", "count": None, "patch_size": 16, "least": None}
RANDOM = {"name": "hide_some", "patch_size": 16}
BASE, LARGE = {**VIT, "name": "vit_base"}, {**VIT, "name": "vit_large"}
SWIN = {"name": "swin_tiny", "patch_size": 4, "image_size": 224, "drop_path": 0.1}
SWIN |= {"masked": "token", "norm_eps": 1e-6}
UNITS = {"name": "hide_blocks", "count": None, "patch_size": 4, "unit": 32}
LATE = {"method": {**HEAD, "masked_from": 50 * 1251}, "late": 50, "mask": UNITS}
SHEETS = {
    "small": sheet({**VIT, "name": "vit_small"}, 800, mask=BLOCKS),
    "base": sheet(BASE, 400, mask=BLOCKS, clip=0.3),
    "base_rand": sheet(BASE, 400, mask=RANDOM, clip=0.3),
    "large": sheet(LARGE, 250, mask=BLOCKS, clip=0.3),
    "large_rand": sheet(LARGE, 250, mask=RANDOM, clip=0.3),
    "swin7": sheet({**SWIN, "window_size": 7}, 300, **LATE),
    "swin14": sheet({**SWIN, "window_size": 14}, 300, **LATE),
}
