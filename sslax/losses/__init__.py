"""Losses: pure functions of arrays.

Glossary of shapes: b batch, n tokens or negatives, d feature, k prototypes or classes,
h w c image, v views, p pixels of a patch.
"""

from __future__ import annotations

from sslax.arrays import unit
from sslax.losses._cmc import cmc, cmc_scores
from sslax.losses._colorization import annealed_mean, colorization
from sslax.losses._colour_codes import (
    colour_mask,
    pixel_weights,
    rebalancing_weights,
    smooth_prior,
    soft_encode,
)
from sslax.losses._cosine import cosine_regression, negative_cosine
from sslax.losses._cpc import cpc, cpc_grid, cpc_v2
from sslax.losses._debiased import debiased_nt_xent, hard_negative_nt_xent
from sslax.losses._dense import (
    pix_contrast,
    pix_pro,
    pixel_positives,
    pixel_propagation,
)
from sslax.losses._distillation import dino, distillation
from sslax.losses._evolving import (
    cross_modal_contrast,
    evolving_detection,
    evolving_distillation,
    evolving_reconstruction,
    zipf_fitness,
)
from sslax.losses._hog import hog
from sslax.losses._hypersphere import alignment, uniformity
from sslax.losses._ibot import ibot, ibot_patches
from sslax.losses._info_nce import curl, info_nce, info_nce_logits, moco_v3
from sslax.losses._invaspread import invaspread
from sslax.losses._koleo import koleo
from sslax.losses._multi_scale import deep_mim, local_mim, mask_on_grid, masked_cosine
from sslax.losses._nce import bank_scores, nce, nonparametric_softmax
from sslax.losses._nt_xent import flat_nce, nt_xent
from sslax.losses._pairs import clip, siglip
from sslax.losses._patch_nce import patch_nce
from sslax.losses._pretext import (
    counting,
    jigsaw_clustering,
    jigsaw_clustering_labels,
    supclu,
)
from sslax.losses._prototypes import sinkhorn, swav
from sslax.losses._reconstruction import (
    masked_l1,
    masked_mse,
    normalize_patches,
    normalize_windows,
)
from sslax.losses._redundancy import barlow_twins, cross_correlation, vicreg
from sslax.losses._supcon import supcon
from sslax.losses._tokens import (
    gumbel_softmax,
    logit_laplace,
    map_pixels,
    masked_cross_entropy,
    uniform_kl,
    unmap_pixels,
)

__all__ = [
    "alignment",
    "annealed_mean",
    "bank_scores",
    "barlow_twins",
    "clip",
    "cmc",
    "cmc_scores",
    "colorization",
    "colour_mask",
    "cosine_regression",
    "counting",
    "cpc",
    "cpc_grid",
    "cpc_v2",
    "cross_correlation",
    "cross_modal_contrast",
    "curl",
    "debiased_nt_xent",
    "deep_mim",
    "dino",
    "distillation",
    "evolving_detection",
    "evolving_distillation",
    "evolving_reconstruction",
    "flat_nce",
    "gumbel_softmax",
    "hard_negative_nt_xent",
    "hog",
    "ibot",
    "ibot_patches",
    "info_nce",
    "info_nce_logits",
    "invaspread",
    "jigsaw_clustering",
    "jigsaw_clustering_labels",
    "koleo",
    "local_mim",
    "logit_laplace",
    "map_pixels",
    "mask_on_grid",
    "masked_cosine",
    "masked_cross_entropy",
    "masked_l1",
    "masked_mse",
    "moco_v3",
    "nce",
    "negative_cosine",
    "nonparametric_softmax",
    "normalize_patches",
    "normalize_windows",
    "nt_xent",
    "patch_nce",
    "pix_contrast",
    "pix_pro",
    "pixel_positives",
    "pixel_propagation",
    "pixel_weights",
    "rebalancing_weights",
    "siglip",
    "sinkhorn",
    "smooth_prior",
    "soft_encode",
    "supclu",
    "supcon",
    "swav",
    "uniform_kl",
    "uniformity",
    "unit",
    "unmap_pixels",
    "vicreg",
    "zipf_fitness",
]
