"""The sheet of CLIP: the paper's recipe; crops are those of open_clip."""

from tests.sheets.common import TORCHVISION

VIEW = {**TORCHVISION, "resize": "bicubic", "scale": (0.9, 1.0), "flip": 0.0}
VIEW |= {"size": 224, "jitter": None, "grayscale": 0.0, "blur": 0.0}
TEXT = {"name": "clip_text", "words": 49408, "context": 77, "depth": 12}


VIT = {"name": "clip_vit", "b2": 0.98, "eps": 1e-6}
RESNET = {"name": "clip_resnet", "b2": 0.999, "eps": 1e-8}


def sheet(rate, *, dim, text, kind=VIT, side=224, **image):
    moments = {k: v for k, v in kind.items() if k != "name"}
    return {
        "batch_size": 32768,
        "epochs": 32,
        "normalize": "clip",
        "encoder": {"name": kind["name"], "dim": dim, **image},
        "text": {**TEXT, "dim": dim, **text},
        "view": {**VIEW, "size": side},
        "views": {"name": "one_view"},
        "evaluated": {"size": side, "resize_to": side, "resize": "bicubic"},
        "method": {"temperature": 0.07, "largest": 100.0, "features": "unprojected"},
        "optimizer": {"name": "adamw", "b1": 0.9, **moments}
        | {"weight_decay": 0.2, "exclude": ("rank_one", "cls_token"), "clip": None},
        # 2,000 of 12,207 steps of an epoch rise.
        "rate": (rate, {0: 0.0, 0.0819: 0.5, 0.1638: 1.0, 16.08: 0.5, 32: 0.0}),
    }


BASE = {"width": 768, "depth": 12, "heads": 12}
SMALL = {"width": 512, "heads": 8}
SHEETS = {
    "base32": sheet(5e-4, dim=512, text=SMALL, patch_size=32, **BASE),
    "base16": sheet(5e-4, dim=512, text=SMALL, patch_size=16, **BASE),
    "large14": sheet(
        4e-4,
        dim=768,
        text={"width": 768, "heads": 12},
        patch_size=14,
        width=1024,
        depth=24,
        heads=16,
    ),
    "resnet50": sheet(
        5e-4,
        dim=1024,
        text=SMALL,
        kind=RESNET,
        stages=(3, 4, 6, 3),
        width=64,
        heads=None,  # 32 of 64 channels
        zero_init=True,
    ),
    "resnet101": sheet(
        5e-4, dim=512, text=SMALL, kind=RESNET, stages=(3, 4, 23, 3), width=64
    ),
    "resnet50x4": sheet(
        5e-4,
        dim=640,
        text={"width": 640, "heads": 10},
        kind=RESNET,
        side=288,
        stages=(4, 6, 10, 6),
        width=80,
    ),
}
