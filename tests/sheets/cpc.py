"""The sheet of cpc."""

from tests.sheets.common import GREY, PATCHES

CPC = {"steps": 5, "skip": 1, "directions": 1}
CPC_ADAM = {"name": "adam", "b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
SHEETS = {
    "imagenet": {
        "batch_size": 512,
        "normalize": "imagenet",
        "encoder": {"name": "preact_resnet", "stages": (3, 4, 23), "width": 64}
        | {"bottleneck": True, "stem": "imagenet", "output": "pooled"},
        "context": {"name": "pixel_cnn"},
        "view": {**PATCHES, "size": 256, "scale": ((256 / 300) ** 2,) * 2},
        "views": {"size": 64, "stride": 32, "window": 60},
        "each": GREY,
        "method": {**CPC, "negatives": None},
        "optimizer": CPC_ADAM,
        "rate": (2e-4, {0: 1.0, 200: 1.0}),
    },
    "stl10": {
        "batch_size": 32,
        "epochs": 300,
        "normalize": "stl10_grey",
        "encoder": {"name": "preact_resnet", "stages": (3, 4, 6), "width": 64}
        | {"bottleneck": True, "stem": "small"},
        "context": {"name": "pixel_cnn", "layers": 4},
        "view": {**PATCHES, "size": 64, "scale": ((64 / 96) ** 2,) * 2},
        "views": {"size": 16, "stride": 8, "window": None},
        "each": GREY,
        "method": {**CPC, "negatives": 16},
        "optimizer": CPC_ADAM,
        "rate": (2e-4, {0: 1.0, 300: 1.0}),
    },
}
