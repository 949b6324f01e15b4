"""Barlow Twins' training step."""

from __future__ import annotations

import numpy as np

from sslax import methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names

_LAYERS = range(1, 10)
NAMES = Names(
    {
        f"backbone.{kind}{i}": f"encoder/{kind}{i}"
        for kind in ("conv", "bn")
        for i in _LAYERS
    }
    | {
        f"projector.{3 * (i - 1) + k}": f"projector/{kind}{i}"
        for k, kind in enumerate(("linear", "bn"))
        for i in _LAYERS
    }
)


def barlow_twins(case):
    hyper = case["hyper"]
    stored = {
        name: value
        for name, value in steps.initial(case, "online").items()
        if not name.startswith("bn.")
    }
    widths = [len(v) for v in stored.values() if v.ndim == 4]
    *hidden, dim = (int(width) for width in hyper["projector"].split("-"))
    padded = _padded(stored, max(hidden, default=dim))
    method = methods.barlow_twins(
        models.convnet(widths=widths, strides=(2,) * len(widths)),
        hidden=max(hidden, default=dim),
        dim=dim,
        depth=1 + len(hidden),
        redundancy_weight=hyper["redundancy_weight"],
    )
    batches = {"views": (steps.inputs(case, "view0"), steps.inputs(case, "view1"))}
    steps.same(batch=(hyper["batch"], batches["views"][0].shape[1]))
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(padded, params, extra["stats"])
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, {"stats": stats}
    )
    final = NAMES.write(state.params, state.extra["stats"], stored)
    buffers = NAMES.write(steps.buffers(state), {}, stored)
    return {
        "loss": metrics["ssl/loss"],
        "final": {
            f"{group}{name}": value[tuple(slice(n) for n in stored[name].shape)]
            for group, values in (("online/", final), ("opt/mu/", buffers))
            for name, value in values.items()
        },
    }


def _padded(stored, width):
    """Hidden layers of one width: what is added is 0 and stays there, see byol.py."""
    last = max(int(k.split(".")[1]) for k in stored if k.startswith("projector."))
    out = dict(stored)
    for name, x in stored.items():
        if name.startswith("projector."):
            place, more = int(name.split(".")[1]), [(0, 0)] * x.ndim
            if place < last:
                more[0] = (0, width - x.shape[0])
            if x.ndim == 2 and place > 0:
                more[1] = (0, width - x.shape[1])
            out[name] = np.pad(x, more)
    return out


def _optimizer(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(case["optimizer"], "name", {"the script's own LARS": optim.lars_byol})
    steps.same(decay=(given["weight_decay"], hyper["weight_decay"]))
    schedule = schedules.warmup_cosine(
        steps=hyper["epochs"] * hyper["steps_per_epoch"],
        warmup=hyper["warmup_epochs"] * hyper["steps_per_epoch"],
        end=0.001,
    )
    steps.agree(case, "weight_decay", hyper["weight_decay"])

    def lars(kind, **options):
        rate = hyper[f"learning_rate_{kind}"] * hyper["batch"] / 256
        steps.agree(case, f"lr_{kind}", lambda k: rate * schedule(k))
        return optim.lars_byol(
            learning_rate=rate,
            schedule=schedule,
            momentum=given["momentum"],
            trust=given["eta"],
            **options,
        )

    weights = lars("weights", weight_decay=hyper["weight_decay"])
    return optim.grouped(weights, others=(("rank_one", lars("biases")),))


TRAJECTORIES = {"barlow_twins": barlow_twins}
SKIPPED = {
    "barlow_twins": {
        "online/bn.*": "running statistics of the embeddings, which nothing reads"
    }
}
