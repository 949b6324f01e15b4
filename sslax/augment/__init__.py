"""Image functions on device: colour, geometry, blur, crops, masks and patches.

Images are `[b h w c]`, float in [0, 1], channels last. Every deterministic function
takes its parameters as one number or one per image; its random twin takes a `key` first
and draws them. All are pure, shape-static, and run under jit, vmap and grad. They
compute in at least float32 and give back the dtype they were given.
"""

from sslax.augment._background import (
    compose,
    remove_background,
    saliency_mask,
    spectral_saliency,
    tile_background,
)
from sslax.augment._blocks import (
    BlockMask,
    block_mask,
    random_ratio,
    unit_mask,
    unit_mask_from_order,
)
from sslax.augment._blur import (
    gaussian_blur,
    random_blur,
)
from sslax.augment._colour import (
    brightness,
    contrast,
    grayscale,
    hue,
    saturation,
    solarize,
)
from sslax.augment._context import (
    contrast_normalize,
    drop_colours,
    grid_pairs,
    low_resolution,
    neighbour_label,
    project_colours,
)
from sslax.augment._crops import (
    random_box,
    random_resized_crop,
)
from sslax.augment._elastic import (
    elastic,
    random_elastic,
)
from sslax.augment._exemplar import (
    bend_hsv,
    gradient_energy,
    patch_scores,
    random_exemplar_colours,
    sample_corner,
    scale_components,
)
from sslax.augment._flips import (
    horizontal_flip,
    random_flip,
    rot90,
)
from sslax.augment._geometry import (
    affine,
    affine_matrix,
    rotate,
)
from sslax.augment._hsv import (
    hsv_to_rgb,
    rgb_to_hsv,
)
from sslax.augment._jigsaw import (
    cut,
    random_tiles,
    shuffle,
    standardize_patches,
    tiles,
)
from sslax.augment._jitter import (
    jitter,
    random_jitter,
)
from sslax.augment._lab import (
    ab_centres,
    ab_grid,
    ab_prior,
    ab_to_index,
    lab_to_rgb,
    nearest_centre,
    rgb_to_lab,
    rgb_to_xyz,
    rgb_to_ycbcr,
)
from sslax.augment._masks import (
    RandomMask,
    mask_from_noise,
    random_mask,
)
from sslax.augment._mixing import (
    cutmix,
    erase,
    mixup,
    random_erase,
    random_mix,
)
from sslax.augment._normalize import (
    normalize,
    to_float,
)
from sslax.augment._patches import (
    patchify,
    unpatchify,
)
from sslax.augment._permutations import (
    choose_permutations,
    hamming_distances,
    permutation_set,
    puzzles,
)
from sslax.augment._rand_augment import (
    apply_operations,
    random_augment,
)
from sslax.augment._resample import (
    crop_resize,
    resize,
    whole_box,
)
from sslax.augment._shifts import (
    patch_grid,
    random_crop,
    random_shift,
    random_window,
)
from sslax.augment._tone import (
    autocontrast,
    equalize,
    invert,
    posterize,
    sharpness,
)

__all__ = [
    "BlockMask",
    "RandomMask",
    "ab_centres",
    "ab_grid",
    "ab_prior",
    "ab_to_index",
    "affine",
    "affine_matrix",
    "apply_operations",
    "autocontrast",
    "bend_hsv",
    "block_mask",
    "brightness",
    "choose_permutations",
    "compose",
    "contrast",
    "contrast_normalize",
    "crop_resize",
    "cut",
    "cutmix",
    "drop_colours",
    "elastic",
    "equalize",
    "erase",
    "gaussian_blur",
    "gradient_energy",
    "grayscale",
    "grid_pairs",
    "hamming_distances",
    "horizontal_flip",
    "hsv_to_rgb",
    "hue",
    "invert",
    "jitter",
    "lab_to_rgb",
    "low_resolution",
    "mask_from_noise",
    "mixup",
    "nearest_centre",
    "neighbour_label",
    "normalize",
    "patch_grid",
    "patch_scores",
    "patchify",
    "permutation_set",
    "posterize",
    "project_colours",
    "puzzles",
    "random_augment",
    "random_blur",
    "random_box",
    "random_crop",
    "random_elastic",
    "random_erase",
    "random_exemplar_colours",
    "random_flip",
    "random_jitter",
    "random_mask",
    "random_mix",
    "random_ratio",
    "random_resized_crop",
    "random_shift",
    "random_tiles",
    "random_window",
    "remove_background",
    "resize",
    "rgb_to_hsv",
    "rgb_to_lab",
    "rgb_to_xyz",
    "rgb_to_ycbcr",
    "rot90",
    "rotate",
    "saliency_mask",
    "sample_corner",
    "saturation",
    "scale_components",
    "sharpness",
    "shuffle",
    "solarize",
    "spectral_saliency",
    "standardize_patches",
    "tile_background",
    "tiles",
    "to_float",
    "unit_mask",
    "unit_mask_from_order",
    "unpatchify",
    "whole_box",
]
