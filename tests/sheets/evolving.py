"""The sheet of evolving losses; what the paper does not state is the project's own."""

DEPTHS = ("layer2", "layer3", "layer4", "pooled")
VIDEO = {"name": "video_resnet", "depth": 50, "width": 1}
SHEETS = {
    "youtube8m": {
        "normalize": None,
        "encoder": VIDEO,
        "flow": VIDEO,
        "grey": VIDEO,
        "sound": {"name": "resnet50", "width": 1},
        "views": {"name": "clips", "size": 112, "frames": 16},
        "method": {"depths": DEPTHS, "margin": 1.0, "weights": None},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False},
        "rate": (0.1, {0: 1.0, 1: 0.5, 2: 0.0}),
    },
}
