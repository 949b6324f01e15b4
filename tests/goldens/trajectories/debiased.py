"""The training step of debiased contrastive learning."""

from __future__ import annotations

from sslax import methods, optim
from tests.goldens.reading import choice
from tests.goldens.trajectories import pairs, steps
from tests.goldens.trajectories.names import Names

# Which hard negatives share.
NAMES = Names(
    {f"f.{x}": f"encoder/{x}" for x in pairs.CONVOLUTIONS}
    | {"g.0": "projector/linear1", "g.1": "projector/bn1", "g.3": "projector/linear2"}
)


def debiased(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    tau = choice(hyper, "debiased", {True: hyper["tau"], False: 0.0})
    steps.agree(case, "temperature", hyper["t"])
    steps.agree(case, "tau_plus", hyper["tau"])
    method = methods.debiased(
        pairs.encoder(stored, "f."),
        **pairs.head(stored, "g.0.weight", "g.3.weight"),
        temperature=hyper["t"],
        tau_plus=tau,
    )
    return pairs.trained(case, method, NAMES, adam(case))[1]


def adam(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    make = choice(case["optimizer"], "name", {"Adam": optim.adam})
    steps.same(decay=(given["weight_decay"], hyper["wd"]))
    steps.agree(case, "lr", hyper["lr"])
    steps.agree(case, "weight_decay", hyper["wd"])
    moments = {name: given[name] for name in ("b1", "b2", "eps")}
    return make(learning_rate=hyper["lr"], weight_decay=hyper["wd"], **moments)


TRAJECTORIES = {"debiased": debiased}
