"""The sheet of CLIP: the paper's recipe; crops are those of open_clip."""

from tests.sheets.common import TORCHVISION

VIEW = {**TORCHVISION, "resize": "bicubic", "scale": (0.9, 1.0), "flip": 0.0}
VIEW |= {"size": 224, "jitter": None, "grayscale": 0.0, "blur": 0.0}
TEXT = {"name": "clip_text", "words": 49408, "context": 77, "depth": 12}


def sheet(rate, *, dim, text, **image):
    return {
        "batch_size": 32768,
        "epochs": 32,
        "normalize": "clip",
        "encoder": {"name": "clip_vit", "dim": dim, **image},
        "text": {**TEXT, "dim": dim, **text},
        "view": VIEW,
        "views": {"name": "one_view"},
        "evaluated": {"size": 224, "resize_to": 224, "resize": "bicubic"},
        "method": {"temperature": 0.07, "largest": 100.0, "features": "unprojected"},
        "optimizer": {"name": "adamw", "b1": 0.9, "b2": 0.98, "eps": 1e-6}
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
}
