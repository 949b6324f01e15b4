"""The sheet of jigsaw_clustering."""

from tests.sheets.common import MOCO, TORCH

SHEETS = {
    "imagenet": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 1, **TORCH}
        | {"output": ("pooled", "map")},
        "views": {"name": "montage", "overlap": 0.3},
        "view": {**MOCO, "scale": (0.2, 1.0), "blur": 0.5, "size": 112},
        "evaluated": {"size": 224, "resize_to": 256},
        "method": {"hidden": 2048, "dim": 128, "temperature": 0.3}
        | {"base_temperature": 0.07, "cluster_weight": 1.0, "location_weight": 1.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 0.9: 1.0, 100: 0.5, 199.9: 0.0}),
    },
}
