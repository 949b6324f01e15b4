"""The training step of SupCon."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sslax import methods, optim
from tests.goldens.reading import choice
from tests.goldens.trajectories import pairs, steps
from tests.goldens.trajectories.names import Names

NAMES = Names(
    {f"encoder.{x}": f"encoder/{x}" for x in pairs.CONVOLUTIONS}
    | {"head.0": "projector/linear1", "head.2": "projector/linear2"}
)


def supcon(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    steps.agree(case, "temperature", hyper["T"])
    method = methods.supcon(
        pairs.encoder(stored, "encoder."),
        **pairs.head(stored, "head.0.weight", "head.2.weight"),
        temperature=hyper["T"],
    )
    label = choice(hyper, "objective", {"SupCon": _labels, "SimCLR": _images})(case)
    return pairs.trained(case, method, NAMES, _sgd(case), label=label)[1]


def _labels(case):
    return steps.inputs(case, "label")


def _images(case):
    """Without labels every image is a class."""
    shape = steps.inputs(case, "view0").shape[:2]
    return np.broadcast_to(np.arange(shape[1]), shape)


def _sgd(case):
    """The rate is that of the steps: a case does not say how many epochs there are."""
    hyper, given = case["hyper"], case["optimizer"]["args"]
    make = choice(case["optimizer"], "name", {"SGD": optim.sgd})
    steps.same(
        decay=(given["weight_decay"], hyper["wd"]),
        momentum=(given["momentum"], hyper["mu"]),
    )
    steps.agree(case, "weight_decay", hyper["wd"])
    steps.agree(case, "momentum", hyper["mu"])
    rate = steps.used(case, "lr") / hyper["lr"]
    falls = choice(hyper, "warm", {True: True, False: False})
    falls |= choice(hyper, "cosine", {True: True, False: False})
    if not falls:
        steps.agree(case, "lr", hyper["lr"])
    return make(
        learning_rate=hyper["lr"],
        schedule=lambda step: jnp.asarray(rate)[step],
        momentum=hyper["mu"],
        weight_decay=hyper["wd"],
    )


TRAJECTORIES = {"supcon": supcon}
NOT_READ = {"supcon": {"step*/in/label": "the objective SimCLR does not see labels"}}
