"""Losses: pure functions of arrays.

Glossary of shapes: b batch, n tokens or negatives, d feature, k prototypes or classes,
h w c image, v views, p pixels of a patch.
"""

from __future__ import annotations

from sslax.losses._reconstruction import masked_mse, normalize_patches

__all__ = [
    "masked_mse",
    "normalize_patches",
]
