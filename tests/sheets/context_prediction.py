"""The sheet of context_prediction."""

from tests.sheets.common import TORCHVISION

IMAGENET = {
    "batch_size": 64,
    "epochs": 50,  # a million steps
    "normalize": None,
    "encoder": {"name": "caffenet", "widths": (96, 256, 384, 384, 256)}
    | {"hidden": 4096, "stride": 4, "padding": 5, "groups": 1, "norm": "plain"}
    | {"response_norm": True, "dropout": 0.0, "init": "xavier"},
    "head": {"name": "caffenet_head", "hidden": (4096, 4096), "norm": "plain"}
    | {"dropout": 0.0, "init": "xavier", "dim": 8},
    # 150,000 to 450,000 pixels; no flip, which changes the answer.
    "view": {**TORCHVISION, "size": 400, "ratio": (1.0, 1.0), "flip": 0.0}
    | {"scale": (400**2 / 450_000, 1.0), "jitter": None, "grayscale": 0.0},
    "views": {"patch": 96, "gap": 48, "jitter": 7, "pixelate": 0.33, "level": 50.0}
    | {"colours": "drop"},
    "method": {"features": "conv4"},
    "optimizer": {"name": "sgd", "momentum": 0.0, "nesterov": False}
    | {"weight_decay": 0.0, "exclude": "none"},
    # 1e-5 of the sum over 40 pairs of each image.
    "rate": (0.0256, {0: 1.0, 50: 1.0}),
}
SHEETS = {
    "imagenet": IMAGENET,
    "projection": IMAGENET | {"views": {**IMAGENET["views"], "colours": "project"}},
}
