"""The training step of FlatNCE."""

from __future__ import annotations

from sslax import methods, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import pairs, steps
from tests.goldens.trajectories.names import Names

_LAYERS = "fc.linear_layers.net."
NAMES = Names(
    {f"encoder.{x}": f"encoder/{x}" for x in pairs.CONVOLUTIONS}
    | {f"{_LAYERS}0": "projector/linear1", f"{_LAYERS}2": "projector/linear2"}
)
_STEPS_PER_EPOCH = 2


def flatnce(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    steps.agree(case, "temperature", hyper["T"])
    widths = (f"{_LAYERS}0.weight", f"{_LAYERS}2.weight")
    method = methods.flatnce(
        pairs.encoder(stored, "encoder."),
        **pairs.head(stored, *widths),
        temperature=hyper["T"],
    )
    return pairs.trained(case, method, NAMES, _optimizer(case))[1]


def _optimizer(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    make = choice(
        hyper, "optimizer", {"lars": optim.lars, "sgd": optim.sgd, "adam": optim.adam}
    )
    if case["optimizer"]["name"] != hyper["optimizer"]:
        raise ValueError(f"two optimizers, {hyper['optimizer']} and its description")
    steps.same(decay=(given["weight_decay"], hyper["wd"]))
    schedule = schedules.warmup_cosine(
        steps=hyper["epochs"] * _STEPS_PER_EPOCH,
        warmup=hyper["warm"] * _STEPS_PER_EPOCH,
        end=1e-6 / hyper["lr"],
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    options = {}
    if make is not optim.adam:
        steps.same(momentum=(given["momentum"], hyper["mu"]))
        steps.agree(case, "momentum", hyper["mu"])
        options["momentum"] = hyper["mu"]
    if make is optim.lars:
        options["trust"] = given["trust"]
    return make(
        learning_rate=hyper["lr"],
        schedule=schedule,
        weight_decay=hyper["wd"],
        exclude="none",
        **options,
    )


TRAJECTORIES = {"flatnce": flatnce}
NOT_READ = {
    "flatnce": {
        "optimizer.args.trust": "of LARS",
        **dict.fromkeys(
            ("hyper.mu", "optimizer.args.momentum", "step*/hyper/momentum"),
            "of LARS and SGD; Adam has none",
        ),
    }
}
