"""Image functions on device: colour, geometry, blur, crops, masks and patches.

Images are `[b h w c]`, float in [0, 1], channels last. Every deterministic function
takes its parameters as one number or one per image; its random twin takes a `key` first
and draws them. All are pure, shape-static, and run under jit, vmap and grad. They
compute in at least float32 and give back the dtype they were given.
"""

from sslax.augment._blur import gaussian_blur, random_blur
from sslax.augment._colour import (
    brightness,
    contrast,
    grayscale,
    hue,
    saturation,
    solarize,
)
from sslax.augment._crops import random_box, random_resized_crop
from sslax.augment._flips import horizontal_flip, random_flip, rot90
from sslax.augment._hsv import hsv_to_rgb, rgb_to_hsv
from sslax.augment._jitter import jitter, random_jitter
from sslax.augment._masks import RandomMask, mask_from_noise, random_mask
from sslax.augment._normalize import normalize, to_float
from sslax.augment._patches import patchify, unpatchify
from sslax.augment._resample import crop_resize, resize

__all__ = [
    "RandomMask",
    "brightness",
    "contrast",
    "crop_resize",
    "gaussian_blur",
    "grayscale",
    "horizontal_flip",
    "hsv_to_rgb",
    "hue",
    "jitter",
    "mask_from_noise",
    "normalize",
    "patchify",
    "random_blur",
    "random_box",
    "random_flip",
    "random_jitter",
    "random_mask",
    "random_resized_crop",
    "resize",
    "rgb_to_hsv",
    "rot90",
    "saturation",
    "solarize",
    "to_float",
    "unpatchify",
]
