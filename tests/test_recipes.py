"""Every config held to the sheet of its method: what the paper and its code do.

The tables hold what a call comes to, with the defaults that the config leaves alone.
"""

import inspect
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import calls, losses, methods, models, optim, schedules, views
from sslax.rates import rates
from sslax.schedules import Schedule
from tests import test_configs

MODULES = (methods, models, optim, views, schedules)
# Encoder: initialisation, batch norm.
TORCH = {"conv_init": "he_fan_out", "bn_unbiased": True}
KERAS = {"conv_init": "lecun", "bn_unbiased": False}
BN = {"bn_momentum": 0.9, "bn_eps": 1e-5}
# Views: crops and colours of the three codes, by the strength of the jitter.
TENSORFLOW = {"resize": "bicubic", "antialias": False, "padding": "zero"}
TORCHVISION = {"resize": "bilinear", "antialias": True, "crop": "torchvision"}
CROP = {"scale": (0.08, 1.0), "ratio": (3 / 4, 4 / 3), "flip": 0.5}
MAE_CROP = {"resize": "bicubic", "jitter": None, "grayscale": 0.0, "blur": 0.0}
COLOURS = {"jitter_prob": 0.8, "grayscale": 0.2, "sigma": (0.1, 2.0)}
BYOL = {**CROP, **COLOURS, **TENSORFLOW, "crop": "byol", "colour": "byol"}
BYOL |= {"jitter": (0.4, 0.4, 0.2, 0.1), "threshold": 0.5}
SIMCLR = {**CROP, **COLOURS, **TENSORFLOW, "crop": "tf", "colour": "simclr"}
MOCO = {**CROP, **COLOURS, **TORCHVISION, "colour": "torchvision"}
MOCO |= {"jitter": (0.4, 0.4, 0.4, 0.1), "solarize": 0.0}
INSTANCE = {**CROP, **TORCHVISION, "scale": (0.2, 1.0), "colour": "torchvision"}
INSTANCE |= {"jitter": (0.4, 0.4, 0.4, 0.4), "jitter_prob": 1.0, "grayscale": 0.2}
INSTANCE |= {"blur": 0.0, "solarize": 0.0}
TORCH_BYOL = {**CROP, **COLOURS, **TORCHVISION, "colour": "torchvision"}
TORCH_BYOL |= {"jitter": (0.4, 0.4, 0.2, 0.1), "threshold": 0.5}
TWINS = {**TORCH_BYOL, "resize": "bicubic"}
SWAV = {**CROP, **COLOURS, **TORCHVISION, "colour": "torchvision", "blur": 0.5}
SWAV |= {"jitter": (0.8, 0.8, 0.8, 0.2), "solarize": 0.0}
DINO = {**CROP, **COLOURS, **TORCHVISION, "colour": "torchvision"}
DINO |= {"resize": "bicubic", "jitter": (0.4, 0.4, 0.2, 0.1)}
DINO_HEAD = {"hidden": 2048, "bottleneck": 256, "student_temperature": 0.1}
DINO_HEAD |= {"centre_momentum": 0.9}
# Three rounds of Sinkhorn, a head that is not wide.
CODES = {"hidden": 2048, "dim": 128, "prototypes": 3000, "temperature": 0.1}
CODES |= {"epsilon": 0.05, "iterations": 3}
# Optimizers: order of LARS is the function; what is left out of decay and adaptation.
LARS = {"momentum": 0.9, "trust": 0.001, "exclude": "rank_one"}
LARC = {"name": "larc", "momentum": 0.9, "weight_decay": 1e-6, "eps": 1e-8}
LARC |= {"match": ("prototypes",)}
SOLO_LARS = {"name": "larc", "trust": 0.02, "clip": True, "exclude": "rank_one"}
SGD = {"name": "sgd", "momentum": 0.9, "nesterov": False, "exclude": "none"}
ADAMW = {"name": "adamw", "b1": 0.9, "b2": 0.95, "weight_decay": 0.05}
ADAMW |= {"exclude": "rank_one", "clip": None}
MOCO_V3 = {"hidden": 4096, "dim": 256}
MOCO_VIT = {"name": "vit", "patch_size": 16, "positions": "sincos_row", "pool": "cls"}
MOCO_VIT |= {"init": "xavier_qkv", "freeze_patches": True, "drop_path": 0.0}
MOCO_ADAMW = {"name": "adamw", "b1": 0.9, "b2": 0.999, "weight_decay": 0.1}
MOCO_ADAMW |= {"exclude": "none", "clip": None, "match": ("patch_embed",)}

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
PIXPRO_METHOD = {"hidden": 4096, "dim": 256, "power": 2.0, "floor": 0.0, "layers": 1}
PIXPRO_METHOD |= {"ratio": 0.7}
CMC_SGD = {"name": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4}
CMC_SGD |= {"exclude": "none"}
CMC_RATE = (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.01, 200: 0.001})
CMC = {"dim": 128, "temperature": 0.07, "momentum": 0.5, "core": False}
CMC |= {"contrast": "softmax", "examples": 1_281_167}
CHANNELS = {**CROP, **TORCHVISION, "jitter": None, "grayscale": 0.0, "blur": 0.0}
CPC = {"steps": 5, "skip": 1, "directions": 1}
CPC_ADAM = {"name": "adam", "b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
CPC_V2 = {"dim": 64, "steps": 3, "scale": 0.1, "directions": 4, "momentum": 0.9999}
CPC_V2_ADAM = {"name": "adam", "b1": 0.8, "b2": 0.999, "eps": 1e-8}
CPC_V2_ADAM |= {"weight_decay": 1e-5, "norm": 0.01, "per": "all"}
# A square crop of a fixed size that loses its colours in patches.
PATCHES = {**TORCHVISION, "ratio": (1.0, 1.0), "flip": 0.5, "jitter": None}
PATCHES |= {"grayscale": 0.0, "blur": 0.0}
GREY = {"name": "altered_patches", "magnitude": 0.0, "elastic": 0.0, "jitter": 0.0}
GREY |= {"histogram": 0.0, "grayscale": 1.0}
HALVES = {"widths": (48, 128, 192, 192, 128), "hidden": 2048, "norm": "batch"}

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
HARD = {**DEBIASED, "normalize": "cifar10"}
HARD |= {"method": {**DEBIASED["method"], "beta": 1.0}}
# Alignment and uniformity: the jitter of MoCo v1, always there.
JITTERED = {**MOCO, **CROP, "jitter": (0.4, 0.4, 0.4, 0.4), "jitter_prob": 1.0}
JITTERED |= {"grayscale": 0.2, "blur": 0.0}
ALIGN = {
    "batch_size": 768,
    "epochs": 200,
    "method": {"dim": 128, "alpha": 2.0, "t": 2.0}
    | {"align_weight": 1.0, "uniform_weight": 1.0},
    "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
    | {"weight_decay": 1e-4, "exclude": "none"},
    "rate": (0.36, {0: 1.0, 154.9: 1.0, 155: 0.1, 170: 0.01, 185: 0.001}),
}
# The normaliser of NCE, apart: constant, and without decay.
NORMALISER = {"others/0": (0.05, {0: 1.0, 100: 1.0})}

SHEETS = {
    "simclr:imagenet": {
        "batch_size": 4096,
        "epochs": 100,
        "normalize": None,
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **KERAS},
        "first": {**SIMCLR, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "size": 224},
        "evaluated": {"fraction": 0.875, "resize_to": None, "size": 224},
        "method": {"hidden": 2048, "dim": 128, "depth": 2, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6, "nesterov": False},
        "rate": (4.8, {0: 0.0, 5: 0.5, 10: 1.0, 55: 0.5, 100: 0.0}),
    },
    "simclr:cifar10": {
        "batch_size": 512,
        "epochs": 1000,
        "normalize": None,
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": True, **KERAS},
        "first": {**SIMCLR, "jitter": (0.4, 0.4, 0.4, 0.1), "blur": 0.0, "size": 32},
        "method": {"hidden": 512, "dim": 128, "depth": 2, "temperature": 0.5},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-4},
        "rate": (2.0, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
    "byol:imagenet": {
        "batch_size": 4096,
        "epochs": 300,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **KERAS},
        "first": {**BYOL, "blur": 1.0, "solarize": 0.0, "size": 224},
        "second": {**BYOL, "blur": 0.1, "solarize": 0.2, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 4096, "dim": 256},
        "momentum": {0: 0.99, 150: 0.995, 300: 1.0},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (4.8, {0: 0.0, 10: 1.0, 155: 0.5, 300: 0.0}),
    },
    "byol:cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", **KERAS},
        "first": {**BYOL, "blur": 0.0, "solarize": 0.0, "size": 32},
        "second": {**BYOL, "blur": 0.0, "solarize": 0.2, "size": 32},
        "method": {"hidden": 4096, "dim": 256},
        "momentum": {0: 0.99, 1000: 1.0},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (2.0, {0: 0.0, 10: 1.0, 1000: 0.0}),
    },
    "moco:imagenet": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 8, **TORCH},
        "first": {**MOCO, "scale": (0.2, 1.0), "blur": 0.5, "size": 224},
        "method": {"hidden": 2048, "dim": 128, "queue_size": 65536}
        | {"momentum": 0.999, "temperature": 0.2},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 100: 0.5, 100.9: 0.5, 199.9: 0.0}),
    },
    "moco:v1": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 8, **TORCH},
        "first": {**INSTANCE, "size": 224, "grey_first": True},
        "method": {"hidden": None, "dim": 128, "queue_size": 65536}
        | {"momentum": 0.999, "temperature": 0.07},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.01}),
    },
    "moco:cifar10": {
        "batch_size": 512,
        "epochs": 200,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "bn_groups": 8, **TORCH},
        "first": {**MOCO, "scale": (0.08, 1.0), "blur": 0.0, "size": 32},
        "method": {"hidden": None, "dim": 128, "queue_size": 4096}
        | {"momentum": 0.99, "temperature": 0.1},
        "optimizer": {"name": "sgd", "weight_decay": 5e-4, "exclude": "none"},
        "rate": (0.06, {0: 1.0, 100: 0.5, 199.9: 0.0}),
    },
    "debiased:cifar10": {**DEBIASED, "normalize": "cifar10"},
    "debiased:stl10": {**DEBIASED, "normalize": "cifar10"},
    "cmc:imagenet": {
        "batch_size": 128,
        "epochs": 240,
        "normalize": None,
        "encoders/0": {"name": "resnet50", "width": 0.5, "zero_init": False, **TORCH},
        "encoders/1": {"name": "resnet50", "width": 0.5, "zero_init": False, **TORCH},
        "view": {**CHANNELS, "size": 224, "scale": (0.08, 1.0)},
        "views": {"space": "lab", "channels": (1, 2)},
        "method": {**CMC, "negatives": 4096},
        "optimizer": CMC_SGD,
        "rate": CMC_RATE,
    },
    "cmc:alexnet": {
        "batch_size": 256,
        "epochs": 240,
        "encoders/0": {"name": "alexnet", **HALVES},
        "encoders/1": {"name": "alexnet", **HALVES},
        "view": {**CHANNELS, "size": 224, "scale": (0.2, 1.0)},
        "method": {**CMC, "negatives": 16384},
        "optimizer": CMC_SGD,
        "rate": CMC_RATE,
    },
    "cmc:cifar10": {
        "batch_size": 128,
        "epochs": 240,
        "normalize": None,
        "encoders/0": {"name": "resnet18", "width": 0.5, "stem": "cifar"},
        "encoders/1": {"name": "resnet18", "width": 0.5, "stem": "cifar"},
        "view": {**CHANNELS, "size": 32, "scale": (0.2, 1.0)},
        "views": {"space": "lab", "channels": (1, 2)},
        "method": {**CMC, "examples": 50_000, "negatives": 4096, "temperature": 0.1},
        "optimizer": CMC_SGD,
        "rate": CMC_RATE,
    },
    "cmc:core": {
        "encoders/0": {"name": "resnet18", "width": 0.5, "stem": "cifar"},
        "encoders/2": {"name": "resnet18", "width": 0.5, "stem": "cifar"},
        "views": {"space": "lab", "channels": (1, 1, 1)},
        "method": {"core": True, "negatives": 4096, "temperature": 0.1},
        "optimizer": CMC_SGD,
        "rate": CMC_RATE,
    },
    "cpc:imagenet": {
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
    "cpc:stl10": {
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
    "cpc_v2:imagenet": {
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
    "cpc_v2:cifar10": {
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
    "instdisc:imagenet": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 1, **TORCH},
        "view": {**INSTANCE, "size": 224, "grey_first": True},
        "method": {"examples": 1_281_167, "dim": 128, "negatives": 4096}
        | {"temperature": 0.07, "momentum": 0.5, "proximal": 0.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.01}),
    },
    "instdisc:cifar10": {
        "batch_size": 128,
        "epochs": 200,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "view": {**INSTANCE, "size": 32, "grey_first": True, "flip": 0.0},
        "method": {"examples": 50_000, "dim": 128, "negatives": None}
        | {"temperature": 0.1, "momentum": 0.5, "proximal": 0.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 5e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.01}),
    },
    "moco_v3:imagenet": {
        "batch_size": 4096,
        "epochs": 300,
        "normalize": "imagenet",
        "encoder": {**MOCO_VIT, "size": "small", "heads": 12},
        "first": {**TORCH_BYOL, "blur": 1.0, "solarize": 0.0, "size": 224},
        "second": {**TORCH_BYOL, "blur": 0.1, "solarize": 0.2, "size": 224},
        "method": {**MOCO_V3, "depth": 3, "predictor_norm": True, "temperature": 0.2},
        "momentum": {0: 0.99, 150: 0.995, 300: 1.0},
        "optimizer": MOCO_ADAMW,
        "rate": (2.4e-3, {0: 0.0, 40: 1.0, 170: 0.5, 300: 0.0}),
    },
    "moco_v3:base": {
        "batch_size": 4096,
        "epochs": 300,
        "encoder": {**MOCO_VIT, "size": "base", "heads": None},
        "method": {**MOCO_V3, "depth": 3, "predictor_norm": True, "temperature": 0.2},
        "optimizer": MOCO_ADAMW,
        "rate": (2.4e-3, {40: 1.0, 300: 0.0}),
    },
    "moco_v3:resnet50": {
        "batch_size": 4096,
        "epochs": 300,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **TORCH},
        "first": {**TORCH_BYOL, "scale": (0.2, 1.0), "blur": 1.0, "solarize": 0.0},
        "second": {**TORCH_BYOL, "scale": (0.2, 1.0), "blur": 0.1, "solarize": 0.2},
        "method": {**MOCO_V3, "depth": 2, "predictor_norm": False, "temperature": 1.0},
        "momentum": {0: 0.99, 150: 0.995, 300: 1.0},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (4.8, {0: 0.0, 10: 1.0, 155: 0.5, 300: 0.0}),
    },
    "moco_v3:cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", **TORCH},
        "first": {**TORCH_BYOL, "blur": 0.0, "solarize": 0.0, "size": 32},
        "second": {**TORCH_BYOL, "blur": 0.0, "solarize": 0.2, "size": 32},
        "method": {**MOCO_V3, "depth": 2, "predictor_norm": False, "temperature": 0.2},
        "momentum": {0: 0.99, 1000: 1.0},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (0.3, {0: 0.0, 10: 1.0, 1000: 0.0}),
    },
    "dino:imagenet": {
        "batch_size": 1024,
        "epochs": 300,
        "normalize": "imagenet",
        "encoder": {"name": "vit_small", "patch_size": 16, "drop_path": 0.1}
        | {"resize": "factor", "pool": "cls", "init": "truncated"},
        "first": {**DINO, "scale": (0.4, 1.0), "size": 224, "blur": 1.0}
        | {"solarize": 0.0},
        "second": {**DINO, "scale": (0.4, 1.0), "size": 224, "blur": 0.1}
        | {"solarize": 0.2},
        "small": {**DINO, "scale": (0.05, 0.4), "size": 96, "blur": 0.5}
        | {"solarize": 0.0},
        "views": {"name": "multi_crop", "count": 8},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {**DINO_HEAD, "dim": 65536, "with_gain": True},
        "momentum": {0: 0.996, 150: 0.998, 300: 1.0},
        "teacher_temperature": {0: 0.04, 0.9: 0.04, 29: 0.07, 300: 0.07},
        "optimizer": {"name": "adamw", "b1": 0.9, "b2": 0.999, "exclude": "rank_one"}
        | {"norm": 3.0, "per": "tensor", "match": ("prototypes",), "steps": 1251},
        "weight_decay": {0: 0.04, 150: 0.22, 300: 0.4},
        "rate": (2e-3, {0: 0.0, 10: 1.0, 155: 0.5, 300: 5e-4}),
    },
    "dino:resnet50": {
        "batch_size": 512,
        "epochs": 100,
        "encoder": {"name": "resnet50", "zero_init": False, **TORCH},
        "first": {**DINO, "scale": (0.14, 1.0), "size": 224, "blur": 1.0},
        "small": {**DINO, "scale": (0.05, 0.14), "size": 96, "blur": 0.5},
        "method": {**DINO_HEAD, "dim": 65536, "with_gain": False}
        | {"teacher_temperature": 0.04},
        "momentum": {0: 0.996, 100: 1.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "weight_decay": 1e-4}
        | {"exclude": "rank_one", "norm": 3.0, "steps": 2502},
        "rate": (0.06, {0: 0.0, 10: 1.0, 55: 0.5, 100: 0.0}),
    },
    "dino:cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", **TORCH},
        "first": {**DINO, "scale": (0.08, 1.0), "blur": 0.0, "solarize": 0.0}
        | {"size": 32},
        "second": {**DINO, "scale": (0.08, 1.0), "blur": 0.0, "solarize": 0.2},
        "views": {"name": "two_views"},
        "method": {**DINO_HEAD, "dim": 4096, "with_gain": False}
        | {"teacher_temperature": 0.07},
        "momentum": {0: 0.9995, 1000: 1.0},
        "optimizer": {"name": "larc", "weight_decay": 1e-6, "trust": 0.02}
        | {"clip": True, "exclude": "rank_one", "steps": 195},
        "rate": (0.3, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
    "swav:imagenet": {
        "batch_size": 4096,
        "epochs": 800,
        "normalize": "swav",
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 1, **TORCH},
        "first": {**SWAV, "scale": (0.14, 1.0), "size": 224},
        "small": {**SWAV, "scale": (0.05, 0.14), "size": 96},
        "views": {"name": "multi_crop", "second": None, "count": 6},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {**CODES, "queue_size": 0},
        "optimizer": {**LARC, "trust": 0.001, "clip": False, "exclude": "none"}
        | {"steps": 312},
        "rate": (4.8, {0: 1 / 16, 5: 17 / 32, 10: 1.0, 405: 0.5, 800: 1e-3}),
    },
    "swav:imagenet_256": {
        "batch_size": 256,
        "epochs": 400,
        "normalize": "swav",
        "encoder": {"name": "resnet50", "zero_init": False, **TORCH},
        "small": {**SWAV, "scale": (0.05, 0.14), "size": 96},
        "method": {**CODES, "queue_size": 3840, "queue_start": 15 * 5004},
        "optimizer": {**LARC, "trust": 0.001, "clip": False, "steps": 5004},
        "rate": (0.6, {0: 1.0, 200: 0.5, 400: 1e-3}),
    },
    "swav:cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", **TORCH},
        "first": {**SWAV, "resize": "bicubic", "size": 32},
        "views": {"name": "two_views", "second": None},
        "method": {**CODES, "queue_size": 3840, "queue_start": 50 * 195},
        "optimizer": {**LARC, "trust": 0.02, "clip": True, "exclude": "rank_one"}
        | {"steps": 2 * 195},
        "rate": (0.6, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
    "barlow_twins:imagenet": {
        "batch_size": 2048,
        "epochs": 1000,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **TORCH},
        "first": {**TWINS, "blur": 1.0, "solarize": 0.0, "size": 224},
        "second": {**TWINS, "blur": 0.1, "solarize": 0.2, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 8192, "dim": 8192, "depth": 3}
        | {"redundancy_weight": 0.0051, "scale": 1 / 16},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "others/0": {"name": "lars_byol", **LARS, "match": "rank_one"},
        "rate": {
            "optimizer": (1.6, {0: 0.0, 5: 0.5, 10: 1.0, 505: 0.5005, 1000: 0.001}),
            "others/0": (0.0384, {0: 0.0, 10: 1.0, 505: 0.5005, 1000: 0.001}),
        },
    },
    "barlow_twins:cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**TWINS, "blur": 0.0, "solarize": 0.0, "size": 32},
        "second": {**TWINS, "blur": 0.0, "solarize": 0.2, "size": 32},
        "method": {"hidden": 2048, "dim": 2048, "depth": 3}
        | {"redundancy_weight": 0.005, "scale": 0.1},
        "optimizer": {**SOLO_LARS, "weight_decay": 1e-4},
        "rate": (0.3, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
    "nnclr:imagenet": {
        "batch_size": 4096,
        "epochs": 1000,
        "encoder": {"name": "resnet50", "bn_groups": 1, **TORCH},
        "first": {**SIMCLR, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 2048, "dim": 256, "predictor_hidden": 4096}
        | {"queue_size": 98304, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6},
        "rate": (4.8, {0: 0.0, 5: 0.5, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
    "nnclr:cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**TWINS, "blur": 0.0, "solarize": 0.0, "size": 32},
        "second": {**TWINS, "blur": 0.0, "solarize": 0.2, "size": 32},
        "method": {"hidden": 2048, "dim": 256, "predictor_hidden": 4096}
        | {"queue_size": 65536, "temperature": 0.2},
        "optimizer": {**SOLO_LARS, "weight_decay": 1e-5},
        "rate": (0.4, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
    "vicreg:imagenet": {
        "batch_size": 2048,
        "epochs": 1000,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **TORCH},
        "first": {**TWINS, "blur": 1.0, "solarize": 0.0, "size": 224},
        "second": {**TWINS, "blur": 0.1, "solarize": 0.2, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 8192, "dim": 8192, "depth": 3, "invariance_weight": 25}
        | {"variance_weight": 25, "covariance_weight": 1},
        "optimizer": {"name": "lars_byol", **LARS, "weight_decay": 1e-6},
        "rate": (1.6, {0: 0.0, 5: 0.5, 10: 1.0, 505: 0.5005, 1000: 0.001}),
    },
    "vicreg:cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**TWINS, "scale": (0.2, 1.0), "blur": 0.0, "solarize": 0.1},
        "second": {**TWINS, "scale": (0.2, 1.0), "blur": 0.0, "solarize": 0.1},
        "method": {"hidden": 2048, "dim": 2048, "depth": 3, "invariance_weight": 25}
        | {"variance_weight": 50, "covariance_weight": 1},
        "optimizer": {**SOLO_LARS, "weight_decay": 1e-4},
        "rate": (0.3, {0: 0.0, 10: 1.0, 505: 0.5, 1000: 0.0}),
    },
    "simsiam:imagenet": {
        "batch_size": 512,
        "epochs": 100,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", "zero_init": True, "bn_groups": 1, **TORCH},
        "first": {**MOCO, "scale": (0.2, 1.0), "blur": 0.5, "size": 224},
        "evaluated": {"resize_to": 256, "fraction": None, "size": 224},
        "method": {"hidden": 2048, "dim": 2048, "depth": 3, "bottleneck": 512},
        "optimizer": {**SGD, "weight_decay": 1e-4},
        "others/0": {**SGD, "weight_decay": 1e-4, "match": ("predictor",)},
        "rate": {
            "optimizer": (0.1, {0: 1.0, 50: 0.5, 50.9: 0.5, 99.9: 0.0}),
            "others/0": (0.1, {0: 1.0, 50: 1.0, 99.9: 1.0}),
        },
    },
    "simsiam:cifar10": {
        "batch_size": 512,
        "epochs": 800,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": True, **TORCH},
        "first": {**MOCO, "scale": (0.2, 1.0), "blur": 0.0, "size": 32},
        "method": {"hidden": 2048, "dim": 2048, "depth": 2, "bottleneck": 512},
        "optimizer": {**SGD, "weight_decay": 5e-4},
        "others/0": {**SGD, "weight_decay": 5e-4, "match": ("predictor",)},
        "rate": {
            "optimizer": (0.06, {0: 1.0, 400: 0.5, 799.9: 0.0}),
            "others/0": (0.06, {0: 1.0, 799.9: 1.0}),
        },
    },
    "hard_negatives:cifar10": HARD,
    "hard_negatives:stl10": HARD,
    "hard_negatives:stl10_annealed": {**HARD, "method": DEBIASED["method"]},
    "invaspread:cifar10": {
        "batch_size": 128,
        "epochs": 301,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**INSTANCE, "size": 32, "grey_first": False, "flip": 0.5},
        "method": {"dim": 128, "temperature": 0.1, "negative_weight": 1.0},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 5e-4, "exclude": "none"},
        "rate": (0.03, {0: 1.0, 119.9: 1.0, 120: 0.1, 160: 0.05, 200: 0.01}),
    },
    "flatnce:imagenet": {
        "batch_size": 512,
        "epochs": 100,
        "normalize": None,
        "encoder": {"name": "resnet50", "zero_init": False, "bn_groups": 1, **TORCH},
        "first": {**MOCO, **CROP, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5}
        | {"size": 224, "kernel_size": None},
        "method": {"hidden": 2048, "dim": 128, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6},
        "rate": (0.6, {0: 0.0, 5: 0.5, 10: 1.0, 55: 0.5, 100: 0.0}),
    },
    "flatnce:cifar10": {
        "batch_size": 256,
        "epochs": 200,
        "normalize": None,
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**MOCO, **CROP, "blur": 0.0, "size": 32},
        "method": {"hidden": 512, "dim": 128, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6},
        "rate": (1.2, {0: 0.0, 10: 1.0, 105: 0.5, 200: 0.0}),
    },
    "align_uniform:stl10": {
        **ALIGN,
        "normalize": "stl10",
        "encoder": {"name": "small_alexnet", "hidden": 4096, "bn_groups": 1},
        "first": {**JITTERED, "size": 64},
        "evaluated": {"size": 64, "resize_to": 70},
    },
    "align_uniform:cifar10": {
        **ALIGN,
        "normalize": "cifar10",
        "encoder": {"name": "resnet18", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**JITTERED, "size": 32},
    },
    "nce:imagenet": {
        "batch_size": 4096,
        "epochs": 100,
        "normalize": None,
        "encoder": {"name": "resnet50", **KERAS},
        "first": {**SIMCLR, "jitter": (0.8, 0.8, 0.8, 0.2), "blur": 0.5, "size": 224},
        "method": {"hidden": 2048, "dim": 128, "temperature": 0.1},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-6},
        "rate": {"optimizer": (4.8, {0: 0.0, 10: 1.0, 100: 0.0}), **NORMALISER},
    },
    "nce:cifar10": {
        "batch_size": 512,
        "epochs": 1000,
        "encoder": {"name": "resnet18", "stem": "cifar", **KERAS},
        "method": {"hidden": 512, "dim": 128, "temperature": 0.5},
        "optimizer": {"name": "lars", **LARS, "weight_decay": 1e-4},
        "rate": {"optimizer": (2.0, {0: 0.0, 10: 1.0, 1000: 0.0}), **NORMALISER},
    },
    "supcon:cifar10": {
        "batch_size": 1024,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "resnet50", "stem": "cifar", "zero_init": False, **TORCH},
        "first": {**MOCO, "scale": (0.2, 1.0), "blur": 0.0, "size": 32},
        "method": {"hidden": 2048, "dim": 128, "temperature": 0.1}
        | {"base_temperature": 0.07},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "none"},
        "rate": (0.5, {0: 0.02, 5: 0.51, 10: 0.9997, 499: 0.5005, 1000: 0.001}),
    },
    "mae:base": {
        "batch_size": 4096,
        "epochs": 800,
        "normalize": "imagenet",
        "encoder": {"name": "mae_encoder", "size": "base", "patch_size": 16},
        "decoder": {"width": 512, "depth": 8, "heads": 16, "patch_size": 16},
        "view": {**CROP, **MAE_CROP, "scale": (0.2, 1.0), "size": 224},
        "mask": {"name": "hide_patches", "ratio": 0.75, "patch_size": 16},
        "method": {"normalize_target": True, "patch_size": 16},
        "optimizer": ADAMW,
        "rate": (2.4e-3, {0: 0.0, 40: 1.0, 420: 0.5, 800: 0.0}),
    },
    "mae:huge": {
        "encoder": {"size": "huge", "patch_size": 14},
        "mask": {"ratio": 0.75, "patch_size": 14},
        "optimizer": ADAMW,
        "rate": (2.4e-3, {40: 1.0, 800: 0.0}),
    },
    "mae:cifar10": {
        "batch_size": 256,
        "epochs": 1000,
        "normalize": "cifar10",
        "encoder": {"name": "mae_encoder", "size": "small", "patch_size": 4},
        "view": {**CROP, **MAE_CROP, "size": 32},
        "mask": {"ratio": 0.75, "patch_size": 4},
        "optimizer": ADAMW,
        "rate": (2e-4, {0: 0.0, 10: 1.0, 1000: 0.0}),
    },
    "pixcontrast:imagenet": {
        **PIXPRO,
        "method": {"hidden": 4096, "dim": 256, "temperature": 0.3, "ratio": 0.7}
        | {"log_over": "cell", "weight": 1.0, "instance": 0.0},
    },
    "pixpro:imagenet": {**PIXPRO, "method": {**PIXPRO_METHOD, "instance": 0.0}},
    "pixpro:instance": {**PIXPRO, "method": {**PIXPRO_METHOD, "instance": 1.0}},
    "rotation:cifar10": {
        "batch_size": 128,
        "epochs": 200,
        "normalize": "cifar10_rotnet",
        "encoder": {"name": "nin", "blocks": 4},
        "view": {"name": "shifted", "padding": 4, "mode": "zero", "flip": 0.5},
        "method": {"features": "conv2"},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}
        | {"weight_decay": 5e-4, "exclude": "none"},
        "rate": (0.1, {0: 1.0, 59.9: 1.0, 60: 0.2, 120: 0.04, 160: 0.008}),
    },
    "rotation:imagenet": {
        "epochs": 105,
        "normalize": "imagenet",
        "encoder": {"name": "resnet50", **BN},
        "view": {**CROP, **TORCHVISION, "jitter": None, "size": 224},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": False}
        | {"weight_decay": 1e-4, "exclude": "rank_one"},
        # 0.1 for 256 inputs, of which an image is four.
        "rate": (0.4, {5: 1.0, 30: 0.1, 60: 0.01, 90: 0.001, 100: 1e-4}),
    },
}


def resolved(spec):
    """A call with the defaults of its function, nested calls too."""
    if isinstance(spec, (list, tuple)):
        return tuple(resolved(v) for v in spec)
    if not isinstance(spec, Mapping):
        return spec
    spec = {key: resolved(value) for key, value in spec.items()}
    owner = next((m for m in MODULES if spec.get("name") in m.__all__), None)
    if owner is None:
        return spec
    parameters = inspect.signature(getattr(owner, spec["name"])).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return defaults | spec


def parts(config):
    """The calls of a config that a sheet speaks of, by what they are."""
    found = {k: resolved(config[k]) for k in ("method", "optimizer", "views")}
    for call in (config["method"], config["views"]):
        found |= {k: resolved(v) for k, v in call.items() if isinstance(v, Mapping)}
        found |= several(call)
    found["evaluated"] = resolved(config["evaluate"]["views"]["view"])
    optimizer = found["optimizer"]
    found["optimizer"] = unwrapped(optimizer)
    for i, (match, other) in enumerate(optimizer.get("others", ())):
        found[f"others/{i}"] = {**unwrapped(other), "match": match}
    return found


def several(call):
    """Calls in a list, as one encoder for each view."""
    lists = {k: v for k, v in call.items() if isinstance(v, (list, tuple))}
    return {
        f"{k}/{i}": resolved(item)
        for k, v in lists.items()
        for i, item in enumerate(v)
        if isinstance(item, Mapping)
    }


def unwrapped(optimizer):
    """What an optimizer comes to with those around it, under the name of the inner."""
    inner = optimizer.get("optimizer")
    return {**optimizer, **unwrapped(inner)} if inner else optimizer


def load(name):
    file, _, variant = name.partition(":")
    return test_configs.load(file, variant)


@pytest.mark.parametrize("name", SHEETS)
def test_a_config_is_what_its_sheet_says(name):
    config, sheet = load(name), dict(SHEETS[name])
    found = parts(config)
    check_rates(config, found, sheet.pop("rate"))
    moving = rates(config["method"]) | rates(config["optimizer"])
    for schedule in sheet.keys() & moving.keys():
        check_course(config, moving[schedule], sheet.pop(schedule))
    for part, wanted in sheet.items():
        if not isinstance(wanted, Mapping):
            assert config[part] == wanted, part
            continue
        for argument, value in wanted.items():
            seen = found[part][argument]
            assert seen == (pytest.approx(value) if _number(value) else value), argument
    for part in found.values():
        if "bn_momentum" in part:
            assert {k: part[k] for k in BN} == BN


def _number(value):
    values = value if isinstance(value, tuple) else (value,)
    return all(isinstance(v, (int, float)) for v in values)


def check_rates(config, found, wanted):
    """A peak and its parts at some epochs, for each of the optimizers."""
    wanted = wanted if isinstance(wanted, Mapping) else {"optimizer": wanted}
    assert {name for name in found if name.startswith("others/")} <= set(wanted)
    for part, (peak, course) in wanted.items():
        assert found[part]["learning_rate"] == pytest.approx(peak)
        call = found[part]["schedule"] or {"name": "constant"}
        check_course(config, calls.build(call, Schedule), course)


def check_course(config, schedule, course):
    """A schedule at some epochs, as parts of its peak."""
    for epoch, value in course.items():
        step = min(round(epoch * config["steps_per_epoch"]), config["steps"])
        assert float(schedule(step)) == pytest.approx(value, abs=2e-3, rel=2e-2), epoch


def test_every_variant_of_a_paper_has_its_sheet():
    """mae:large is base with another size; `sample` is of no paper.

    For stages and configs/finetune.py see test_recipes_supervised.
    """
    named = {":".join(map(str, case.values)) for case in test_configs.CASES}
    own = {name for name in named if name.split(":")[0] in methods.__all__}
    own = {n for n in own if not n.endswith(":sample") and "/" not in n}
    assert own - set(SHEETS) <= {"mae:large"}


@pytest.mark.parametrize(("kind", "fan"), [("lecun", 3 * 49), ("he_fan_out", 64 * 49)])
def test_convolutions_start_with_the_deviation_of_their_kind(kind, fan):
    net = models.resnet18(conv_init=kind, width=1)
    image = jnp.zeros((1, 32, 32, 3))
    # Only the first convolution is made.
    first = jax.jit(lambda key: net.init(key, image)[0]["conv1"])(jax.random.key(0))
    kernel = max(jax.tree.leaves(first), key=np.ndim)
    gain = {"lecun": 1.0, "he_fan_out": 2.0}[kind]
    assert float(kernel.std()) == pytest.approx((gain / fan) ** 0.5, rel=0.05)


def test_cpc_skips_the_rows_that_its_patches_share():
    """Patches of 80 pixels every 36 overlap two rows down: 80 > 2 * 36."""
    assert inspect.signature(losses.cpc_v2).parameters["first"].default == 2
