"""The sheet of cpc_v2."""

from tests.sheets.common import GREY, PATCHES

CPC_V2 = {"dim": 64, "steps": 3, "scale": 0.1, "directions": 4, "momentum": 0.9999}
CPC_V2_ADAM = {"name": "adam", "b1": 0.8, "b2": 0.999, "eps": 1e-8}
CPC_V2_ADAM |= {"weight_decay": 1e-5, "norm": 0.01, "per": "all"}
SHEETS = {
    "imagenet": {
        "batch_size": 512,
        "epochs": 200,
        "normalize": "imagenet",
        "encoder": {"name": "cpc_resnet", "depth": 161, "width": 1}
        | {"output": "pooled"},
        "context": {"name": "cpc_context", "hidden": 256, "blocks": 5},
        "view": {**PATCHES, "size": 260, "scale": ((260 / 300) ** 2,) * 2},
        "views": {"size": 80, "stride": 36, "window": None},
        "each": {"name": "altered_patches", "magnitude": 9.0, "elastic": 0.2}
        | {"histogram": 0.2, "jitter": 0.8, "grayscale": 0.25},
        "method": {**CPC_V2, "first": 2},
        "optimizer": CPC_V2_ADAM,
        "rate": (4e-4, {0: 1.0, 200: 1.0}),
    },
    "cifar10": {
        "batch_size": 64,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "cpc_resnet", "depth": 101},
        "context": {"name": "cpc_context", "hidden": 256, "blocks": 5},
        "view": {"name": "shifted", "padding": 4, "mode": "reflect", "flip": 0.5},
        "views": {"size": 8, "stride": 4, "window": None},
        "each": {**GREY, "jitter": 0.8, "grayscale": 0.25},
        "method": {**CPC_V2, "first": 1},
        "optimizer": CPC_V2_ADAM,
        "rate": (4e-5, {0: 1.0, 1000: 1.0}),
    },
}
