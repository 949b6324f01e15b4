"""Adapters from stored cases to public sslax functions: pretext tasks and colours."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from sslax import augment
from tests.goldens.reading import choice

CONTRASTIVE: dict = {}


def _last(x):
    """Stored `[b c h w]` as `[b h w c]`."""
    return jax.device_put(x.transpose(0, 2, 3, 1))


def _first(x):
    return jax.device_put(x.transpose(0, 3, 1, 2))


def rotation(arrays, parameters):
    images = jax.device_put(arrays["in/images"])
    turns = [angle // 90 for angle in parameters["angles"]]
    turned = {90 * t: augment.rot90(images, turns=t) for t in turns}

    def one(image, angle):
        return turned[int(angle)][int(image)]

    out = {
        "out/image{}_rot{}": one,
        "out/labels": jnp.tile(jnp.array(turns, jnp.int32), images.shape[0]),
    }
    if len({x.shape for x in turned.values()}) == 1:
        stacked = jnp.stack([*turned.values()], axis=1)
        out["out/rotated"] = stacked.reshape(-1, *stacked.shape[2:])
    return out


def jigsaw(arrays, parameters):
    if "in/permutation" in arrays:
        stored = jax.device_put(arrays["in/tiles"]).transpose(0, 2, 3, 1)[None]
        order = jax.device_put(arrays["in/permutation"])[None]
        shuffled = augment.shuffle(stored, order)
        normalised = augment.standardize_patches(stored)
        return {
            "out/shuffled": shuffled[0].transpose(0, 3, 1, 2),
            "out/normalised": normalised[0].transpose(0, 3, 1, 2),
        }
    choice(parameters, "tiles", {9: 9})
    return {
        f"out/{theirs}_{{}}_first0_{{}}": functools.partial(_permutations, ours)
        for ours, theirs in (("max_mean", "max_avg"), ("max_min", "max_min"))
    }


@functools.cache
def _permutation_set(criterion):
    """The largest set; the smaller ones are how it begins."""
    return augment.permutation_set(count=1000, criterion=criterion)


def _permutations(criterion, count, what):
    table = _permutation_set(criterion)[: int(count)]
    if what == "indices":
        return _lexicographic(table)
    distance = augment.hamming_distances(table)
    return {
        "min": np.int32(distance.min()),
        "mean": distance.mean(),
        "hist": np.bincount(distance, minlength=10).astype(np.int32),
    }[what]


def _lexicographic(permutations) -> np.ndarray:
    """The number of each permutation in lexicographic order."""
    permutations = np.asarray(permutations, np.int64)
    tiles = permutations.shape[1]
    index = np.zeros(len(permutations), np.int64)
    for i in range(tiles):
        smaller = (permutations[:, i + 1 :] < permutations[:, i : i + 1]).sum(axis=1)
        index = index * (tiles - i) + smaller
    return index.astype(np.int32)


def context_prediction(arrays, parameters):
    offset = jax.device_put(arrays["in/offset_dx_dy"])
    return {
        "out/label": augment.neighbour_label(offset),
        "out/opposite_label": augment.neighbour_label(-offset),
    }


def exemplar(arrays, parameters):
    image = jax.device_put(arrays["in/image"])[None]
    out = {}
    for gradient in ("central", "sobel"):
        energy = augment.gradient_energy(image, gradient=gradient)
        score = augment.patch_scores(energy, size=parameters["patch"])[0]
        out[f"out/gradient_magnitude_{gradient}"] = jnp.sqrt(energy[0])
        out[f"out/score_{gradient}"] = score
        out[f"out/prob_{gradient}"] = score / score.sum()
    return out


def lab(arrays, parameters):
    if "in/prob" in arrays:
        return _scaled_lab(arrays, parameters)
    choice(parameters, "illuminant", {"D65": "D65"})
    choice(parameters, "observer", {"2": 2, 2: 2})
    rgb = jax.device_put(arrays["in/rgb"])[None]
    bytes_ = jax.device_put(arrays["in/rgb_uint8"])[None]
    bytes_ = bytes_.astype(rgb.dtype) / 255
    back = augment.lab_to_rgb(jax.device_put(arrays["in/lab_for_inverse"])[None])
    return {
        "out/lab": augment.rgb_to_lab(rgb)[0],
        "out/xyz": augment.rgb_to_xyz(rgb)[0],
        "out/lab_from_uint8": augment.rgb_to_lab(bytes_)[0],
        "out/rgb_roundtrip": back[0],
    }


def _scaled_lab(arrays, parameters):
    made = augment.rgb_to_lab(_last(arrays["in/rgb"]))
    centre, scale = parameters["l_cent"], parameters["l_norm"]
    step, largest = parameters["ab_quant"], parameters["ab_max"]
    choice(parameters, "A", {2 * largest // step + 1: "the bins of a side"})
    scaled = jnp.concatenate(
        [(made[..., :1] - centre) / scale, made[..., 1:] / parameters["ab_norm"]], -1
    )
    index = augment.ab_to_index(made[..., 1:], step=step, largest=largest)
    grid = augment.ab_grid(step=step, largest=largest) / parameters["ab_norm"]
    prob = _last(arrays["in/prob"])
    mean = jnp.einsum("bhwq,qc->bhwc", prob, jnp.asarray(grid, prob.dtype))
    return {
        "out/lab_scaled": _first(scaled),
        "out/index": index[:, None],
        "out/decode_mean": _first(mean),
        "out/rgb_back": _first(augment.lab_to_rgb(made)),
    }


def ab_bins(arrays, parameters):
    choice(parameters, "grid", {10: "the step of the centres"})
    centres = augment.ab_centres()
    choice(parameters, "count", {len(centres): "as many as there are"})
    return {"out/prior": augment.ab_prior(), "out/centres": centres.astype(np.int16)}


VISION: dict = {
    "pretext/colorization_bins": ab_bins,
    "pretext/colorization_lab": lab,
    "pretext/context_prediction": context_prediction,
    "pretext/exemplar": exemplar,
    "pretext/jigsaw": jigsaw,
    "pretext/rotation": rotation,
}

SKIPPED = {
    "pretext/colorization_bins": {
        "occupied_by_nearest_rounding": "a study of the gamut",
    },
    "pretext/colorization_lab": {"max_abs_diff_*": "differences of two references"},
    "pretext/jigsaw": {
        "bbrattoli_*": "a permutation set found elsewhere by random ties",
        "*_first123456_*": "sets from another start; only the first is stored",
        "lexicographic_examples": "examples of the numbering",
        "boxes": "cells one pixel larger, which overlap; ours do not",
    },
}

NOT_READ = {
    "pretext/context_prediction": {
        "patch": "the offsets are given in pixels",
        "gap": "the offsets are given in pixels",
        "jitter": "the offsets are given in pixels",
    },
    "pretext/jigsaw": {
        "image": "the tiles are given",
        "cell": "the tiles are given",
        "tile": "the tiles are given",
        "crop": "the tiles are given",
    },
}
