"""The sheet of simmim."""

from tests.sheets.common import CROP

SIMMIM_CROP = {"resize": "bilinear", "jitter": None, "grayscale": 0.0, "blur": 0.0}
SIMMIM_CROP = {**CROP, **SIMMIM_CROP, "scale": (0.67, 1.0)}
CLIP = {"norm": 5.0, "per": "all", "running": True}
ADAMW = {"name": "adamw", "b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.05}
ADAMW |= CLIP
SWIN = {**ADAMW, "exclude": ("rank_one", "mask_token")}
STAIR = {0: 5e-3, 10: 1.0, 699: 1.0, 701: 0.1, 800: 0.1}
SHEETS = {
    "swin_base": {
        "batch_size": 2048,
        "epochs": 100,
        "normalize": "imagenet",
        "encoder": {
            "name": "swin_base",
            "window_size": 6,
            "patch_size": 4,
            "masked": "token",
            "drop_path": 0.0,
            "norm_eps": 1e-5,
        },
        "decoder": {"name": "simmim_decoder", "patch_size": 32},
        "view": {**SIMMIM_CROP, "size": 192},
        "mask": {"name": "hide_units", "ratio": 0.6, "unit": 32, "patch_size": 4},
        "method": {"window": None, "patch_size": 4},
        "optimizer": SWIN,
        # The cosine has run during the warm-up.
        "rate": (8e-4, {0: 5e-3, 5: 0.5025, 50: 0.525, 100: 0.05}),
    },
    "swin_base_800": {
        "batch_size": 2048,
        "epochs": 800,
        "encoder": {"name": "swin_base", "window_size": 6},
        "optimizer": SWIN,
        "rate": (4e-4, STAIR),
    },
    "swin_large": {
        "batch_size": 2048,
        "epochs": 800,
        "encoder": {"name": "swin_large", "window_size": 12, "masked": "token"},
        "view": {"size": 192},
        "optimizer": SWIN,
        "rate": (4e-4, STAIR),
    },
    "vit_base": {
        "batch_size": 2048,
        "epochs": 800,
        "encoder": {
            "name": "vit_base",
            "patch_size": 16,
            "positions": "none",
            "relative": "shared",
            "qkv_bias": "qv",
            "layer_scale": 0.1,
            "drop_path": 0.1,
            "mask_token": True,
            "pool": "cls",  # the map is behind the final norm
            "init": "beit",
        },
        "decoder": {"patch_size": 16},
        "view": {**SIMMIM_CROP, "size": 224},
        "mask": {"ratio": 0.6, "unit": 32, "patch_size": 16},
        "method": {"window": None, "patch_size": 16},
        "optimizer": {**ADAMW, "exclude": ("rank_one", "cls_token")},
        "rate": (4e-4, STAIR),
    },
}
