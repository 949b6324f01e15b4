"""Jigsaw clustering's training step."""

from __future__ import annotations

import numpy as np

from sslax import methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

NAMES = Names(
    {f"encoder.{name}": f"encoder/{name}" for name in ("conv1", "bn1", "conv2", "bn2")}
    | {
        "encoder.fc_clu.0": "projector/linear1",
        "encoder.fc_clu.2": "projector/linear2",
        "encoder.fc_loc": "location/linear1",
    }
)


def jigsaw_clustering(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    widths = [len(stored[f"encoder.conv{i}.weight"]) for i in (1, 2)]
    method = methods.jigsaw_clustering(
        models.convnet(widths=widths, strides=(2, 2), output=("pooled", "map")),
        hidden=len(stored["encoder.fc_clu.0.weight"]),
        dim=hyper["projection"],
        temperature=hyper["t"],
        base_temperature=hyper["base_temperature"],
        cluster_weight=hyper["w_clu"],
        location_weight=hyper["w_loc"],
    )
    batches = _montages(case)
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(stored, params, extra["stats"])
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, {**extra, "stats": stats}
    )
    online = NAMES.write(state.params, state.extra["stats"], stored)
    moved = NAMES.write(steps.buffers(state), {}, stored)
    return {
        "loss": metrics["ssl/loss"],
        "loss_clu": metrics["ssl/clustering"],
        "loss_loc": metrics["ssl/location"],
        "final": prefixed(online, "online/") | prefixed(moved, "opt/momentum_buffer/"),
    }


def _montages(case):
    """The first quarter of the permuted patches lies at the top left, and so on."""
    hyper, views = case["hyper"], steps.views(case)
    order = steps.inputs(case, "permutation")
    count = views[0].shape[1]
    steps.same(
        batch=(hyper["batch"], count),
        steps=(hyper["epochs_run"] * hyper["steps_per_epoch"], len(order)),
    )
    pool = np.concatenate(views, axis=1)
    laid = np.take_along_axis(pool, order[:, :, None, None, None], axis=1)
    laid = laid.reshape(len(laid), 4, count, *laid.shape[2:])
    rows = [np.concatenate([laid[:, i], laid[:, i + 1]], axis=3) for i in (0, 2)]
    permute = order.reshape(len(order), 4, count).transpose(0, 2, 1)
    return {"views": (np.concatenate(rows, axis=2),), "permute": permute}


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"SGD": optim.sgd})
    given = case["optimizer"]["args"]
    choice(given, "dampening", {0: None})
    steps.same(
        lr=(given["lr"], hyper["lr"]),
        momentum=(given["momentum"], hyper["momentum"]),
        decay=(given["weight_decay"], hyper["wd"]),
    )
    low = hyper["min_lr"]
    schedule = schedules.by_epoch(
        schedule=schedules.cosine(start=1 - low, end=low, steps=hyper["epochs"]),
        steps_per_epoch=hyper["steps_per_epoch"],
        first=hyper["start"],
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    steps.agree(case, "temperature", hyper["t"])
    return optim.sgd(
        learning_rate=hyper["lr"],
        schedule=schedule,
        momentum=hyper["momentum"],
        nesterov=given["nesterov"],
        weight_decay=hyper["wd"],
    )


TRAJECTORIES = {"jigsaw_clustering": jigsaw_clustering}
