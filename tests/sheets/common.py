"""What several sheets share: initialisation, crops and colours, optimizers."""

# Encoder: initialisation, batch norm.
TORCH = {"conv_init": "he_fan_out", "bn_unbiased": True}
KERAS = {"conv_init": "lecun", "bn_unbiased": False}
# Views: crops and colours of the three codes, by the strength of the jitter.
TENSORFLOW = {"resize": "bicubic", "antialias": False, "padding": "zero"}
TORCHVISION = {"resize": "bilinear", "antialias": True, "crop": "torchvision"}
CROP = {"scale": (0.08, 1.0), "ratio": (3 / 4, 4 / 3), "flip": 0.5}
COLOURS = {"jitter_prob": 0.8, "grayscale": 0.2, "sigma": (0.1, 2.0)}
SIMCLR = {**CROP, **COLOURS, **TENSORFLOW, "crop": "tf", "colour": "simclr"}
MOCO = {**CROP, **COLOURS, **TORCHVISION, "colour": "torchvision"}
MOCO |= {"jitter": (0.4, 0.4, 0.4, 0.1), "solarize": 0.0}
INSTANCE = {**CROP, **TORCHVISION, "scale": (0.2, 1.0), "colour": "torchvision"}
INSTANCE |= {"jitter": (0.4, 0.4, 0.4, 0.4), "jitter_prob": 1.0, "grayscale": 0.2}
INSTANCE |= {"blur": 0.0, "solarize": 0.0}
TORCH_BYOL = {**CROP, **COLOURS, **TORCHVISION, "colour": "torchvision"}
TORCH_BYOL |= {"jitter": (0.4, 0.4, 0.2, 0.1), "threshold": 0.5}
TWINS = {**TORCH_BYOL, "resize": "bicubic"}
# Optimizers: order of LARS is the function; what is left out of decay and adaptation.
LARS = {"momentum": 0.9, "trust": 0.001, "exclude": "rank_one"}
SOLO_LARS = {"name": "larc", "trust": 0.02, "clip": True, "exclude": "rank_one"}
# The released script; PixContrast is trained alike.
PIXPRO = {
    "batch_size": 1024,
    "epochs": 100,
    "normalize": "imagenet",
    "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **TORCH}
    | {"output": ("pooled", "map")},
    "views": {"name": "pixel_views"},
    "first": {**TORCH_BYOL, "blur": 1.0, "solarize": 0.0, "size": 224},
    "second": {**TORCH_BYOL, "blur": 0.1, "solarize": 0.2, "size": 224},
    "momentum": {0: 0.99, 50: 0.995, 100: 1.0},
    "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-5},
    "rate": (4.0, {0: 0.01, 5: 1.0, 52.5: 0.5, 100: 0.0}),
}
# A square crop of a fixed size that loses its colours in patches.
PATCHES = {**TORCHVISION, "ratio": (1.0, 1.0), "flip": 0.5, "jitter": None}
PATCHES |= {"grayscale": 0.0, "blur": 0.0}
GREY = {"name": "altered_patches", "magnitude": 0.0, "elastic": 0.0, "jitter": 0.0}
GREY |= {"histogram": 0.0, "grayscale": 1.0}
# Relatives of SimCLR share their code's small recipe.
DEBIASED = {
    "batch_size": 256,
    "epochs": 400,
    "encoder": {"name": "resnet50", "stem": "cifar", "zero_init": False, **TORCH},
    "first": {**MOCO, "scale": (0.08, 1.0), "blur": 0.5, "size": 32},
    "evaluated": {"size": 32, "resize_to": 32},
    "method": {"hidden": 512, "dim": 128, "temperature": 0.5, "tau_plus": 0.1},
    "optimizer": {"name": "adam", "b1": 0.9, "b2": 0.999, "eps": 1e-8}
    | {"weight_decay": 1e-6, "exclude": "none"},
    "rate": (1e-3, {0: 1.0, 399: 1.0}),
}
