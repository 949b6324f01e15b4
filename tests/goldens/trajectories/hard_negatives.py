"""The training step of contrast with hard negatives."""

from __future__ import annotations

import numpy as np

from sslax import methods, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import pairs, steps
from tests.goldens.trajectories.debiased import NAMES, adam


def hard_negatives(case):
    """The easy estimator is that of SimCLR."""
    hyper, stored = case["hyper"], steps.initial(case, "online")
    hard = choice(hyper, "estimator", {"hard": True, "easy": False})
    steps.agree(case, "temperature", hyper["t"])
    tau, beta = hyper["tau"], _beta(case)
    if hard:
        steps.agree(case, "tau_plus", tau)
    method = methods.hard_negatives(
        pairs.encoder(stored, "f."),
        **pairs.head(stored, "g.0.weight", "g.3.weight"),
        temperature=hyper["t"],
        tau_plus=tau if hard else 0.0,
        beta=beta if hard else 0.0,
    )
    return pairs.trained(case, method, NAMES, adam(case))[1]


def _beta(case):
    """Constant or annealed: which of them a case does not say, but its steps do.

    There are nine levels, and an epoch, which is a step here, for each; the first is
    taken twice.
    """
    beta = case["hyper"]["beta"]
    if steps.has(case, "hyper/beta") and np.ptp(steps.used(case, "beta")):
        annealed = schedules.ramp(start=beta, end=0.0, steps=8, delay=1)
        steps.agree(case, "beta", annealed)
        return annealed
    return beta


TRAJECTORIES = {"hard_negatives": hard_negatives}
NOT_READ = {
    "hard_negatives": {
        "step*/hyper/tau_plus": "the easy estimator has none",
        "step*/hyper/beta": "the easy estimator has none",
    }
}
