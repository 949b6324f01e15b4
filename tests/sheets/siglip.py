"""The sheet of SigLIP; its towers are those of CLIP."""

from tests.sheets.clip import BASE, VIEW

SHEETS = {
    "base16": {
        "batch_size": 32768,
        "normalize": "clip",
        "encoder": {"name": "clip_vit", "patch_size": 16, **BASE},
        "text": {"name": "clip_text", "context": 64, **BASE},
        "view": VIEW,
        "method": {"scale": 10.0, "bias": -10.0},
        "optimizer": {"name": "adamw", "b1": 0.9, "b2": 0.95, "weight_decay": 1e-4},
        "rate": (1e-3, {0: 0.0, 8: 0.0}),
    },
}
