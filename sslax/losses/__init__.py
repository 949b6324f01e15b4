"""Losses: pure functions of arrays.

Glossary of shapes: b batch, n tokens or negatives, d feature, k prototypes or classes,
h w c image, v views, p pixels of a patch.
"""

from __future__ import annotations

from sslax.losses._cosine import cosine_regression, negative_cosine, unit
from sslax.losses._hog import hog
from sslax.losses._info_nce import info_nce
from sslax.losses._multi_scale import deep_mim, local_mim, mask_on_grid, masked_cosine
from sslax.losses._nt_xent import nt_xent
from sslax.losses._reconstruction import (
    masked_l1,
    masked_mse,
    normalize_patches,
    normalize_windows,
)
from sslax.losses._tokens import (
    logit_laplace,
    map_pixels,
    masked_cross_entropy,
    uniform_kl,
    unmap_pixels,
)

__all__ = [
    "cosine_regression",
    "deep_mim",
    "hog",
    "info_nce",
    "local_mim",
    "logit_laplace",
    "map_pixels",
    "mask_on_grid",
    "masked_cosine",
    "masked_cross_entropy",
    "masked_l1",
    "masked_mse",
    "negative_cosine",
    "normalize_patches",
    "normalize_windows",
    "nt_xent",
    "uniform_kl",
    "unit",
    "unmap_pixels",
]
