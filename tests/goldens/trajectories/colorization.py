"""Colorization's training step: the released layers, and a port."""

from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np

from sslax import losses, methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

# What is reported as the loss, and whether grey pictures are left out.
CODES = {
    "richzhang/colorization": ("ssl/loss", True),
    "Time0o/colorful-colorization": ("ssl/divergence", False),
}
STRIDE = 4


def colorization(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    constants = steps.initial(case, "constants")
    reported, masked = CODES[case["source"].partition("@")[0]]
    encoder = models.colorizer(
        bins=len(constants["centres"]),
        width=len(stored["conv1_1.conv.weight"]),
        output=("pooled", "logits"),
    )
    method = methods.colorization(
        encoder,
        **constants,
        neighbours=hyper["neighbours"],
        uniform=hyper["lam"],
    )
    batches = _batches(case, masked)
    params, extra = steps.blank(method, steps.first(batches))
    flat, names = _turned(stored), _names(stored)
    params, stats = names.read(flat, params, extra["stats"])
    # Of the precision of the parameters, as they were given.
    weights = losses.rebalancing_weights(constants["prior"], uniform=hyper["lam"])
    extra |= {"stats": stats, "centres": constants["centres"], "weights": weights}
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    out = {
        "loss": metrics[reported],
        "final": prefixed(
            _turned(names.write(state.params, state.extra["stats"], flat)), "online/"
        ),
    }
    if masked:
        return out | {"weighted_loss": metrics["ssl/rebalanced"]}
    return out | {"cross_entropy": metrics["ssl/loss"]}


def _turned(arrays):
    """The step up has its axes of channels the other way round, in both directions."""
    up = "conv8_1.conv.weight"
    return {k: np.swapaxes(v, 0, 1) if k == up else v for k, v in arrays.items()}


def _names(stored):
    def ours(layer):
        name = layer.split(".")[0]
        norm = re.match(r"conv(\d)_\dnorm", name)
        if norm:
            return f"encoder/bn{norm[1]}"
        return "encoder/logits" if name == "conv9_1" else f"encoder/{name}"

    layers = {name.rpartition(".")[0] for name in stored}
    return Names({layer: ours(layer) for layer in layers})


def _batches(case, masked):
    hyper, lab = case["hyper"], steps.inputs(case, "lab")
    steps.same(
        batch=(hyper["batch"], lab.shape[1]),
        size=(hyper["size"], lab.shape[2]),
        steps=(hyper["K"], len(lab)),
    )
    ab = lab[:, :, ::STRIDE, ::STRIDE, 1:]
    if masked:
        weight = np.stack([losses.colour_mask(jnp.asarray(colours)) for colours in ab])
    else:
        weight = np.ones(ab.shape[:2], ab.dtype)
    grey = hyper["grey_pictures"]
    for step in grey:
        if weight[int(step)][list(grey[step])].any():
            raise ValueError(f"pictures {list(grey[step])} of step {step} have colour")
    return {"views": (lab[..., :1] - 50.0,), "ab": ab, "weight": weight}


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"torch.optim.Adam": optim.adam})
    given = case["optimizer"]["args"]
    steps.same(
        betas=(given["betas"], hyper["betas"]),
        decay=(given["weight_decay"], hyper["wd"]),
    )
    schedule = schedules.step_decay(
        boundaries=range(hyper["step_size"], hyper["K"] + 1, hyper["step_size"]),
        factor=hyper["gamma"],
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    b1, b2 = hyper["betas"]
    return optim.adam(
        learning_rate=hyper["lr"],
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        weight_decay=hyper["wd"],
    )


TRAJECTORIES = {"colorization": colorization}
