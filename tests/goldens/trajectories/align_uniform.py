"""The training step of alignment and uniformity."""

from __future__ import annotations

from sslax import methods, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import pairs, steps
from tests.goldens.trajectories.names import Names

NAMES = Names(
    {f"encoder.{x}": f"encoder/{x}" for x in pairs.CONVOLUTIONS}
    | {"fc": "projector/linear1"}
)
_STEPS_PER_EPOCH = 2


def align_uniform(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    for name in ("alpha", "t", "align_w", "unif_w"):
        steps.agree(case, name, hyper[name])
    method = methods.align_uniform(
        pairs.encoder(stored, "encoder."),
        dim=len(stored["fc.weight"]),
        alpha=hyper["alpha"],
        t=hyper["t"],
        align_weight=hyper["align_w"],
        uniform_weight=hyper["unif_w"],
    )
    metrics, out = pairs.trained(case, method, NAMES, _sgd(case))
    parts = {"align": "ssl/alignment", "unif": "ssl/uniformity"}
    return {**out, **{k: metrics[v] for k, v in parts.items()}}


def _sgd(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    make = choice(case["optimizer"], "name", {"SGD": optim.sgd})
    steps.same(
        decay=(given["weight_decay"], hyper["wd"]),
        momentum=(given["momentum"], hyper["mu"]),
    )
    schedule = schedules.step_decay(
        boundaries=tuple(hyper["milestones"]),
        factor=hyper["gamma"],
        unit=_STEPS_PER_EPOCH,
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    steps.agree(case, "momentum", hyper["mu"])
    return make(
        learning_rate=hyper["lr"],
        schedule=schedule,
        momentum=hyper["mu"],
        weight_decay=hyper["wd"],
    )


TRAJECTORIES = {"align_uniform": align_uniform}
