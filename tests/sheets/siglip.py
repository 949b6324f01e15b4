"""The sheet of SigLIP: towers, pixels and words as in big_vision's released models."""

from tests.sheets.clip import BASE, VIEW

IMAGE = {"name": "vit", "patch_size": 16, "mlp_ratio": None, "class_token": False}
IMAGE |= {"pool": "map", "activation": "gelu_tanh", "init": "big_vision"}
TEXT = {"name": "siglip_text", "words": 32_000, "context": 64, "dim": 768}
# Its decay of 1e-4 is not multiplied by the rate, and of kernels alone.
DECAY = {"weight_decay": 1e-4 / 1e-3}
DECAY |= {"exclude": ("rank_one", "token_embed", "pos_embed", "probe")}

SHEETS = {
    "base16": {
        "batch_size": 32768,
        "normalize": "half",
        "encoder": {**IMAGE, **BASE},
        "text": {**TEXT, **BASE},
        "view": VIEW,
        "method": {"scale": 10.0, "bias": -10.0, "projector": None},
        "optimizer": {"name": "adamw", "b1": 0.9, "b2": 0.95, **DECAY},
        "rate": (1e-3, {0: 0.0, 8: 0.0}),
    },
}
