"""PixContrast's training step, as implemented by others than its authors."""

from __future__ import annotations

import numpy as np

from sslax import methods, optim
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names
from tests.goldens.trajectories.pixpro import encoder_of, with_sides, without_sides

_HEADS = {"pixel_projector": "projector", "predictor": "predictor"}
_HEADS["instance_projector"] = "instance_projector"
NAMES = Names(
    {f"encoder.{x}": f"encoder/{x}" for x in ("conv1", "bn1", "conv2", "bn2")}
    | {
        f"{theirs}.{layer}": f"{ours}/{layer}"
        for theirs, ours in _HEADS.items()
        for layer in ("linear1", "bn1", "linear2")
    }
)


def pixcontrast(case):
    stored = {group: steps.initial(case, group) for group in ("online", "teacher")}
    given = {group: without_sides(arrays) for group, arrays in stored.items()}
    method, batches = _method(case, given["online"]), _batches(case)
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(given["online"], params, extra["stats"])
    teacher, teacher_stats = NAMES.read(
        given["teacher"], extra["teacher"], extra["teacher_stats"]
    )
    extra = {"stats": stats, "teacher": teacher, "teacher_stats": teacher_stats}
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    nets = {
        "online": (state.params, state.extra["stats"]),
        "teacher": (state.extra["teacher"], state.extra["teacher_stats"]),
    }
    final = {group: NAMES.write(*nets[group], given[group]) for group in nets}
    return {"loss": metrics["ssl/loss"], "final": with_sides(final, stored)}


def _method(case, online):
    """Its `alpha` weighs the cells, beside which the instances always stand."""
    hyper = case["hyper"]
    steps.agree(case, "temperature", hyper["T"])
    steps.agree(case, "ema_momentum", hyper["m"])
    hidden, dim = (len(online[f"pixel_projector.linear{i}.weight"]) for i in (1, 2))
    return methods.pixcontrast(
        encoder_of(online),
        hidden=hidden,
        dim=dim,
        temperature=hyper["T"],
        ratio=hyper["thres"],
        log_over="batch",
        weight=hyper["alpha"],
        instance=1.0,
        momentum=hyper["m"],
    )


def _batches(case):
    """The same pairs for every image."""
    views, pairs = steps.views(case), steps.inputs(case, "positives")
    count, batch = views[0].shape[:2]
    shape = (count, batch, *pairs.shape[1:])
    return {"views": views, "positives": np.broadcast_to(pairs[:, None], shape)}


def _optimizer(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    name = choice(case["optimizer"], "name", {"sgd": "sgd", "adam": "adam"})
    if name != hyper["opt"]:
        raise ValueError(f"the optimizer is {name} and {hyper['opt']}")
    steps.same(decay=(given["weight_decay"], hyper["wd"]))
    steps.agree(case, "lr", hyper["lr"])
    steps.agree(case, "weight_decay", hyper["wd"])
    options = {"learning_rate": hyper["lr"], "weight_decay": hyper["wd"]}
    if name == "adam":
        return optim.adam(**options)
    return optim.sgd(**options, momentum=given["momentum"])


TRAJECTORIES = {"pixcontrast": pixcontrast}
NOT_READ = {"pixcontrast": {"optimizer.args.momentum": "Adam has none"}}
