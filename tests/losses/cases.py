"""One small example of every public function of `sslax.losses`.

The tests of corner cases, precision, gradients and sharding run over this table; a test
fails if a public name is missing. A case has

- `call`: a function of the arrays, by name;
- `arrays`: float arrays and scalars by name, from a fixed seed; a gradient is taken
  for each. What has B rows is sharded by rows where a mesh is tested;
- `kept`: names of arrays that stand for masks, codes or probabilities: the corner cases
  leave them as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sslax import losses

B, D, N, K = 8, 6, 4, 5

# These return labels or choices, which have no gradient: they have tests of their own.
WITHOUT_GRADIENT = {"colour_mask", "jigsaw_clustering_labels", "pixel_positives"}


class Case(NamedTuple):
    """An example of one public function."""

    call: Callable[..., object]
    arrays: dict[str, np.ndarray]
    kept: tuple[str, ...] = ()


def _draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def _unit(seed: int, *shape: int) -> np.ndarray:
    x = _draw(seed, *shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _share(seed: int, *shape: int) -> np.ndarray:
    x = np.exp(_draw(seed, *shape))
    return x / x.sum(axis=-1, keepdims=True)


def _mask(seed: int, *shape: int) -> np.ndarray:
    x = (np.random.default_rng(seed).random(shape) < 0.5).astype(np.float64)
    x.flat[0] = 1.0
    return x


T = {"temperature": np.asarray(0.3)}
PAIR = {"z1": _draw(1, B, D), "z2": _draw(2, B, D)}
UNIT_PAIR = {"z1": _unit(1, B, D), "z2": _unit(2, B, D)}
INDEX = np.random.default_rng(3).integers(0, 12, (B, N), np.int32)
INDEX[:, 0] = np.arange(B)
MAPS = {"prediction": _draw(4, B, 2, 3, D), "target": _draw(5, B, 2, 3, D)}
POSITIVES = np.tile(np.eye(6, dtype=bool), (B, 1, 1))
POSITIVES[0] = False
TOKENS = {"prediction": _draw(6, B, N, D), "target": _draw(7, B, N, D)}
PIXELS = {"prediction": _draw(8, B, 4, 4, 3), "target": _draw(9, B, 4, 4, 3)}
LOGITS = {"student": _draw(10, B, K), "teacher": _draw(11, B, K)}
VIEWS = {"student": _draw(12, 3, B, K), "teacher": _draw(13, 2, B, K)}
CENTRES = 30 * _draw(14, K, 2)
PRIOR = _share(15, K)


def _with(function, **constants):
    return functools.partial(function, **constants)


def _queue(query, positive, negatives, temperature):
    return losses.info_nce(query, positive, negatives, temperature=temperature)


BANKED = {name: _unit(i, B, D) for i, name in enumerate(("x1", "x2"), start=1)}
BANKED |= {name: _unit(i, 12, D) for i, name in enumerate(("bank1", "bank2"), start=3)}
BANKED |= T


def _banked(function):
    def call(x1, x2, bank1, bank2, temperature):
        index = jnp.asarray(INDEX)
        return function((x1, x2), (bank1, bank2), index, temperature=temperature)

    return call


def _cpc_grid(contexts, targets, weights):
    index = np.random.default_rng(17).integers(0, B * 3, (B, 1, 3, 4), np.int32)
    return losses.cpc_grid(contexts, targets, weights, [jnp.asarray(index)])


def _local_mim(fine, coarse, fine_target, coarse_target, mask):
    return losses.local_mim((fine, coarse), (fine_target, coarse_target), mask)


def _deep_mim(first, last, target, mask):
    return losses.deep_mim((first, last), target, mask)


CONTRASTIVE = {
    "alignment": Case(losses.alignment, {"x": PAIR["z1"], "y": PAIR["z2"]}),
    "bank_scores": Case(
        _with(losses.bank_scores, index=jnp.asarray(INDEX)),
        {"features": _unit(1, B, D), "bank": _unit(2, 12, D), **T},
    ),
    "barlow_twins": Case(losses.barlow_twins, PAIR),
    "clip": Case(
        losses.clip,
        {"image": PAIR["z1"], "text": PAIR["z2"], "log_scale": np.asarray(2.0)},
        ("log_scale",),
    ),
    "cmc": Case(_banked(losses.cmc), BANKED),
    "cmc_scores": Case(_banked(losses.cmc_scores), BANKED),
    "cosine_regression": Case(
        losses.cosine_regression, {"prediction": PAIR["z1"], "target": PAIR["z2"]}
    ),
    "cpc": Case(
        _with(losses.cpc, negatives=jnp.tile(jnp.arange(3), (B, 3, 1))),
        {
            "contexts": _draw(1, B, 5, D),
            "targets": _draw(2, B, 5, K),
            "weights": _draw(3, 2, K, D),
        },
    ),
    "cpc_grid": Case(
        _cpc_grid,
        {
            "contexts": _draw(1, B, 3, 3, D),
            "targets": _draw(2, B, 3, 3, K),
            "weights": _draw(3, 1, K, D),
        },
    ),
    "cpc_v2": Case(
        _with(losses.cpc_v2, first=0),
        {"predictions": _draw(1, 2, B, 3, 2, D), "targets": _draw(2, B, 3, 2, D)},
    ),
    "cross_correlation": Case(losses.cross_correlation, PAIR),
    "curl": Case(
        losses.curl,
        {"anchor": PAIR["z1"], "positive": PAIR["z2"], "weights": _draw(3, D, D)},
    ),
    "debiased_nt_xent": Case(
        _with(losses.debiased_nt_xent, tau_plus=0.1), {**PAIR, **T}
    ),
    "dino": Case(losses.dino, {**VIEWS, "centre": _draw(3, K)}),
    "distillation": Case(losses.distillation, {**LOGITS, **T}),
    "flat_nce": Case(losses.flat_nce, {**PAIR, **T}),
    "gumbel_softmax": Case(
        losses.gumbel_softmax, {"logits": _draw(1, B, K), "noise": _draw(2, B, K)}
    ),
    "hard_negative_nt_xent": Case(
        _with(losses.hard_negative_nt_xent, tau_plus=0.1, beta=1.0), {**PAIR, **T}
    ),
    "info_nce": Case(
        _queue,
        {
            "query": PAIR["z1"],
            "positive": PAIR["z2"],
            "negatives": _draw(3, 12, D),
            **T,
        },
    ),
    "info_nce_logits": Case(losses.info_nce_logits, {"logits": _draw(1, B, N)}),
    "invaspread": Case(losses.invaspread, {**UNIT_PAIR, **T}),
    "moco_v3": Case(
        losses.moco_v3,
        {
            "query1": PAIR["z1"],
            "query2": PAIR["z2"],
            "key1": _draw(3, B, D),
            "key2": _draw(4, B, D),
            **T,
        },
    ),
    "nce": Case(
        _with(losses.nce, log_noise=-1.0, epsilon=1e-7), {"scores": _draw(1, B, N)}
    ),
    "negative_cosine": Case(
        losses.negative_cosine, {"prediction": PAIR["z1"], "target": PAIR["z2"]}
    ),
    "nonparametric_softmax": Case(
        _with(losses.nonparametric_softmax, index=jnp.arange(B)),
        {"features": _unit(1, B, D), "bank": _unit(2, 12, D), **T},
    ),
    "nt_xent": Case(losses.nt_xent, {**PAIR, **T}),
    "patch_nce": Case(
        losses.patch_nce, {"query": _draw(1, B, N, D), "key": _draw(2, B, N, D), **T}
    ),
    "pix_contrast": Case(
        _with(losses.pix_contrast, positives=jnp.asarray(POSITIVES)), {**MAPS, **T}
    ),
    "pix_pro": Case(_with(losses.pix_pro, positives=jnp.asarray(POSITIVES)), MAPS),
    "pixel_propagation": Case(
        losses.pixel_propagation,
        {"features": MAPS["prediction"], "values": MAPS["target"]},
    ),
    "siglip": Case(
        losses.siglip,
        {
            "image": PAIR["z1"],
            "text": PAIR["z2"],
            "log_scale": np.asarray(2.0),
            "bias": np.asarray(-1.0),
        },
        ("log_scale", "bias"),
    ),
    "sinkhorn": Case(losses.sinkhorn, {"scores": _unit(1, B, K)}),
    "supcon": Case(
        _with(losses.supcon, labels=jnp.arange(B) % 3),
        {"features": _draw(1, B, 2, D), **T},
    ),
    "swav": Case(
        losses.swav,
        {"scores": _draw(1, 3, B, K), "assignments": _share(2, 2, B, K), **T},
        ("assignments",),
    ),
    "uniformity": Case(losses.uniformity, {"x": PAIR["z1"]}),
    "unit": Case(losses.unit, {"x": PAIR["z1"]}),
    "vicreg": Case(losses.vicreg, PAIR),
}

RECONSTRUCTION = {
    "deep_mim": Case(
        _deep_mim,
        {
            "first": TOKENS["prediction"],
            "last": _draw(1, B, N, D),
            "target": TOKENS["target"],
            "mask": _mask(2, B, N),
        },
        ("mask",),
    ),
    "hog": Case(
        _with(losses.hog, cell=4), {"images": np.abs(_draw(1, B, 8, 8, 3)) / 4}
    ),
    "ibot": Case(
        losses.ibot,
        {
            **VIEWS,
            "student_patches": _draw(1, 2, B, N, D),
            "teacher_patches": _draw(2, 2, B, N, D),
            "mask": _mask(3, 2, B, N),
            "centre": _draw(4, K),
            "patch_centre": _draw(5, D),
        },
        ("mask",),
    ),
    "ibot_patches": Case(
        losses.ibot_patches,
        {
            "student": _draw(1, 2, B, N, D),
            "teacher": _draw(2, 2, B, N, D),
            "mask": _mask(3, 2, B, N),
            "centre": _draw(4, D),
        },
        ("mask",),
    ),
    "koleo": Case(losses.koleo, {"features": PAIR["z1"]}),
    "local_mim": Case(
        _local_mim,
        {
            "fine": _draw(1, B, 4, 4, D),
            "coarse": _draw(2, B, 2, 2, K),
            "fine_target": _draw(3, B, 4, 4, D),
            "coarse_target": _draw(4, B, 2, 2, K),
            "mask": _mask(5, B, 4, 4),
        },
        ("mask",),
    ),
    "logit_laplace": Case(
        losses.logit_laplace,
        {
            "target": np.random.default_rng(1).uniform(0.1, 0.9, (B, 3)),
            "mean": _draw(2, B, 3),
            "log_scale": _draw(3, B, 3),
        },
        ("target", "log_scale"),
    ),
    "map_pixels": Case(losses.map_pixels, {"images": _draw(1, B, 3)}),
    "mask_on_grid": Case(
        _with(losses.mask_on_grid, grid=(2, 2)), {"mask": _mask(1, B, 4, 4)}
    ),
    "masked_cosine": Case(
        losses.masked_cosine, {**TOKENS, "mask": _mask(1, B, N)}, ("mask",)
    ),
    "masked_cross_entropy": Case(
        _with(losses.masked_cross_entropy, codes=jnp.tile(jnp.arange(N), (B, 1))),
        {"logits": _draw(1, B, N, K), "mask": _mask(2, B, N)},
        ("mask",),
    ),
    "masked_l1": Case(
        losses.masked_l1, {**PIXELS, "mask": _mask(1, B, 2, 2)}, ("mask",)
    ),
    "masked_mse": Case(
        losses.masked_mse, {**TOKENS, "mask": _mask(1, B, N)}, ("mask",)
    ),
    "normalize_patches": Case(losses.normalize_patches, {"patches": _draw(1, B, D)}),
    "normalize_windows": Case(
        _with(losses.normalize_windows, window=3), {"images": _draw(1, B, 4, 4, 3)}
    ),
    "uniform_kl": Case(losses.uniform_kl, {"logits": _draw(1, B, K)}),
    "unmap_pixels": Case(losses.unmap_pixels, {"mapped": _draw(1, B, 3)}),
}

PRETEXT = {
    "annealed_mean": Case(
        _with(losses.annealed_mean, centres=jnp.asarray(CENTRES, jnp.float32)),
        {"logits": _draw(1, B, K), **T},
    ),
    "colorization": Case(
        losses.colorization,
        {
            "logits": _draw(1, B, 2, 2, K),
            "code": _share(2, B, 2, 2, K),
            "weights": np.abs(_draw(3, B, 2, 2)),
        },
        ("code", "weights"),
    ),
    "counting": Case(
        losses.counting,
        {
            "whole": np.abs(_draw(1, B, D)),
            "other": np.abs(_draw(2, B, D)),
            "tiles": np.abs(_draw(3, B, 4, D)),
        },
    ),
    "cross_modal_contrast": Case(
        losses.cross_modal_contrast,
        {"x1": PAIR["z1"], "x2": PAIR["z2"], "negative": _draw(3, B, D)},
    ),
    "evolving_detection": Case(
        _with(losses.evolving_detection, labels=jnp.arange(B) % 2),
        {"logits": _draw(1, B)},
    ),
    "evolving_distillation": Case(
        losses.evolving_distillation, {"layer": PAIR["z1"], "main": PAIR["z2"]}
    ),
    "evolving_reconstruction": Case(
        losses.evolving_reconstruction,
        {"prediction": PIXELS["prediction"], "target": PIXELS["target"]},
    ),
    "jigsaw_clustering": Case(
        _with(
            losses.jigsaw_clustering, permutation=jnp.array([5, 0, 2, 7, 1, 3, 4, 6])
        ),
        {"embeddings": _unit(1, B, D), "location_logits": _draw(2, B, 4), **T},
    ),
    "pixel_weights": Case(
        losses.pixel_weights,
        {"code": _share(1, B, K), "weights": np.abs(_draw(2, K))},
        ("code",),
    ),
    "rebalancing_weights": Case(
        losses.rebalancing_weights, {"prior": PRIOR}, ("prior",)
    ),
    "smooth_prior": Case(
        _with(losses.smooth_prior, centres=jnp.asarray(CENTRES, jnp.float32)),
        {"prior": PRIOR},
        ("prior",),
    ),
    "soft_encode": Case(
        _with(
            losses.soft_encode, centres=jnp.asarray(CENTRES, jnp.float32), neighbours=3
        ),
        {"colours": 20 * _draw(1, B, 2)},
    ),
    "supclu": Case(
        _with(losses.supclu, labels=jnp.arange(B) % 4),
        {"embeddings": _unit(1, B, D), **T},
    ),
    "zipf_fitness": Case(
        losses.zipf_fitness, {"features": PAIR["z1"], "centres": _draw(3, K, D)}
    ),
}

CASES = {**CONTRASTIVE, **RECONSTRUCTION, **PRETEXT}


def scalar(case: Case, arrays: dict) -> jax.Array:
    """The value of a case, with fixed weights on what is not a scalar."""
    value = case.call(**arrays)
    weights = np.cos(np.arange(value.size)).reshape(value.shape)
    return jnp.sum(value * jnp.asarray(weights, value.dtype))


def evaluate(trees: dict[str, dict]) -> dict[str, tuple]:
    """Values and gradients of cases, by name: one function, compiled once for all."""
    return {
        name: jax.value_and_grad(functools.partial(scalar, CASES[name]))(arrays)
        for name, arrays in trees.items()
    }


def trees(dtype=np.float32) -> dict[str, dict]:
    """The arrays of all cases."""
    return {
        name: {k: jnp.asarray(v, dtype) for k, v in case.arrays.items()}
        for name, case in CASES.items()
    }
