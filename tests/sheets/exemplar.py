"""The sheet of exemplar."""

SGD = {"name": "sgd", "momentum": 0.9, "nesterov": False, "exclude": "none"}
STEPS = {0: 1.0, 9599: 1.0, 9600: 0.4, 10560: 0.1, 11520: 0.04, 12000: 0.01}
STL10 = {
    "batch_size": 128,
    "epochs": 12_480,  # 1.56 million steps
    "examples": 16_000,
    "normalize": "stl10_mean",
    "encoder": {"name": "exemplar_net", "widths": (64, 128, 256), "hidden": 512}
    | {"dropout": 0.5},
    "views": {"name": "exemplars", "patch": 32, "scales": 4, "colours": True},
    "evaluated": {"size": 32, "resize_to": None},
    "method": {"examples": 16_000},
    "optimizer": {**SGD, "weight_decay": 0.004},
    "others/0": {**SGD, "weight_decay": 0.0, "match": ("rank_one",)},
    "others/1": {**SGD, "weight_decay": 0.0, "match": ("conv[12]/kernel",)},
    "others/2": {**SGD, "weight_decay": 0.001, "match": ("conv3/kernel",)},
    "others/3": {**SGD, "weight_decay": 0.016, "match": ("classifier/",)},
    "rate": {
        "optimizer": (0.01, STEPS),
        "others/0": (0.02, STEPS),
        "others/1": (0.01, STEPS),
        "others/2": (0.01, STEPS),
        "others/3": (0.0025, STEPS),
    },
}
SHEETS = {
    "stl10": STL10,
    "large": STL10
    | {"encoder": {**STL10["encoder"], "widths": (92, 256, 512), "hidden": 1024}},
}
