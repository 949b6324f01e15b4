"""Losses: pure functions of arrays.

Glossary of shapes: b batch, n tokens or negatives, d feature, k prototypes or classes,
h w c image, v views, p pixels of a patch.
"""

from __future__ import annotations

from sslax.losses._cosine import cosine_regression, negative_cosine, unit
from sslax.losses._info_nce import info_nce
from sslax.losses._nt_xent import nt_xent
from sslax.losses._reconstruction import masked_mse, normalize_patches

__all__ = [
    "cosine_regression",
    "info_nce",
    "masked_mse",
    "negative_cosine",
    "normalize_patches",
    "nt_xent",
    "unit",
]
