"""The sheet of localmim."""

from tests.sheets.common import CROP
from tests.sheets.mae import ADAMW, MAE_CROP

VIEW = {**CROP, **MAE_CROP, "scale": (0.2, 1.0), "size": 224}
SWIN_ADAMW = {**ADAMW, "exclude": ("rank_one", "relative", "mask_token")}
SWIN_TAPS = ("merged1", "merged2", "merged3", "stage4")
SWIN_DECODER = {
    "scales": (1, 1, 1, 1),
    "width": (64, 128, 128, 128),
    "depth": 1,
    "heads": 4,
    "class_token": False,
}
UNITS = {"name": "hide_units", "patch_size": 4, "unit": 32, "ratio": 0.75}
VIT_DECODER = {"scales": (4, 2, 1, 0.5), "width": 256, "depth": 1, "heads": 8}
COURSE = {0: 0.0, 40: 1.0}
SHEETS = {
    "vit_base": {
        "batch_size": 2048,
        "epochs": 1600,
        "normalize": "imagenet",
        "encoder": {
            "name": "vit_base",
            "patch_size": 16,
            "positions": "sincos",
            "init": "xavier",
        },
        "decoder": {**VIT_DECODER, "dim": 27},
        "view": VIEW,
        "mask": {"name": "hide_patches", "ratio": 0.75, "patch_size": 16},
        "method": {
            "taps": ("block1", "block3", "block9", "block11"),
            "target": "hog",
            "cells": (4, 8, 16, 32),
            "bins": 9,
            "patch_size": 16,
        },
        "optimizer": ADAMW,
        "rate": (1.6e-3, {**COURSE, 820: 0.5, 1600: 6.25e-4}),
    },
    "vit_large": {
        "batch_size": 4096,
        "epochs": 800,
        "encoder": {"name": "vit_large"},
        "decoder": {**VIT_DECODER, "dim": 54},
        "method": {"taps": ("block1", "block3", "block21", "block23"), "bins": 18},
        "optimizer": ADAMW,
        "rate": (2.4e-3, {**COURSE, 800: 0.0}),
    },
    "swin_base": {
        "batch_size": 2048,
        "epochs": 400,
        "normalize": "imagenet",
        "encoder": {
            "name": "swin_base",
            "window_size": 7,
            "masked": "hidden",
            "norm_eps": 1e-6,
        },
        "decoder": {**SWIN_DECODER, "dim": (192, 768, 3072, 3072)},
        "view": VIEW,
        "mask": {"name": "hide_alike", "mask": UNITS},
        "method": {
            "taps": SWIN_TAPS,
            "target": "pixels",
            "normalize_target": True,
            "cells": (8, 16, 32, 32),
            "patch_size": 4,
        },
        "optimizer": SWIN_ADAMW,
        "rate": (8e-4, {**COURSE, 220: 0.5, 400: 0.0}),
    },
    "swin_base_hog": {
        "batch_size": 2048,
        "epochs": 400,
        "decoder": {**SWIN_DECODER, "dim": 54},
        "method": {"target": "hog", "cells": (8, 16, 32, 32), "bins": 18},
        "optimizer": SWIN_ADAMW,
        "rate": (8e-4, {**COURSE, 400: 0.0}),
    },
    "swin_large": {
        "batch_size": 4096,
        "epochs": 800,
        "encoder": {"name": "swin_large", "window_size": 14, "masked": "hidden"},
        "decoder": {**SWIN_DECODER, "dim": 54},
        "method": {"taps": SWIN_TAPS, "target": "hog", "bins": 18},
        "optimizer": SWIN_ADAMW,
        "rate": (1.6e-3, {**COURSE, 800: 0.0}),
    },
}
