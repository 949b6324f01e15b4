"""The sheet of beit."""

from tests.sheets.common import CROP

CROPS = {**CROP, "jitter": (0.4, 0.4, 0.4, 0.0), "jitter_prob": 1.0, "blur": 0.0}
CROPS |= {"grayscale": 0.0, "colour": "torchvision", "solarize": 0.0}
VIT = {"positions": "none", "relative": "shared", "qkv_bias": "qv", "init": "beit"}
VIT |= {"mask_token": True, "class_token": True, "pool": "cls"}
ADAMW = {"name": "adamw", "b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.05}
ADAMW |= {"exclude": ("rank_one", "cls_token", "pos_embed"), "clip": 3.0}
SHEETS = {
    "base/beit": {
        "batch_size": 2048,
        "epochs": 800,
        "normalize": "imagenet",
        "encoder": {**VIT, "name": "vit_base", "patch_size": 16, "layer_scale": 0.1}
        | {"drop_path": 0.1},
        "tokenizer": {"name": "dalle_encoder", "width": 256, "blocks": 2}
        | {"words": 8192},
        "view": {**CROPS, "resize": "bicubic", "size": 224},
        "rendering": {**CROPS, "resize": "lanczos", "size": 112},
        "mask": {"name": "hide_blocks", "patch_size": 16, "count": 75, "least": None}
        | {"exact": False},
        "method": {"words": 8192, "statistics": "imagenet"},
        "optimizer": ADAMW,
        "rate": (1.5e-3, {0: 0.0, 5: 0.5, 10: 1.0, 405: 0.503, 800: 1 / 150}),
    },
    "large/beit": {
        "batch_size": 2048,
        "epochs": 800,
        "encoder": {**VIT, "name": "vit_large", "layer_scale": 1e-5, "drop_path": 0.1}
        | {"remat": True},
        "optimizer": ADAMW,
        "rate": (1.5e-3, {0: 0.0, 10: 1.0, 800: 1 / 150}),
    },
}
