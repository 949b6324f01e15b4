"""The sheet of dvae."""

from tests.sheets.common import CROP

DALLE_CROP = {**CROP, "scale": (0.44, 0.79), "ratio": (1.0, 1.0), "resize": "box"}
DALLE_CROP |= {"jitter": None, "grayscale": 0.0, "blur": 0.0}
ADAMW = {"name": "adamw", "b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 1e-4}
SHEETS = {
    "dalle": {
        "batch_size": 512,
        "steps": 2_999_898,
        "normalize": None,
        "encoder": {"name": "dalle_encoder", "width": 256, "blocks": 2, "words": 8192},
        "decoder": {"name": "dalle_decoder", "width": 256, "blocks": 2, "first": 128}
        | {"dim": 6},
        "view": {**DALLE_CROP, "size": 256},
        "method": {"momentum": 0.999, "straight_through": False},
        "temperature": {0: 1.0, 30: 0.53125, 60: 0.0625, 1199: 0.0625},
        "kl_weight": {0: 0.0, 1: 3.303, 2: 6.6, 1199: 6.6},
        "optimizer": ADAMW,
        "rate": (1e-4, {0: 1.0, 240: 0.506, 480: 0.0125, 1199: 0.0125}),
    },
    "simple": {
        "batch_size": 512,
        "normalize": None,
        "encoder": {"name": "dvae_encoder", "width": 256, "depth": 3, "words": 8192},
        "decoder": {"name": "dvae_decoder", "width": 256, "depth": 3, "code_dim": 512}
        | {"channels": 3},
        "view": {**DALLE_CROP, "size": 112},
        "method": {"temperature": 0.9, "kl_weight": 0.0, "straight_through": False},
        "optimizer": ADAMW,
        "rate": (1e-4, {0: 1.0, 50: 0.506, 100: 0.0125}),
    },
}
