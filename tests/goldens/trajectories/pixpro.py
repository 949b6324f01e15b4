"""PixPro's training step, with and without its instance branch."""

from __future__ import annotations

import numpy as np

from sslax import methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

_ENCODER = {f"encoder.{x}": f"encoder/{x}" for x in ("conv1", "bn1", "conv2", "bn2")}
_HEADS = {
    "projector": "projector",
    "value_transform": "value",
    "projector_instance": "instance_projector",
    "predictor": "predictor",
}
NAMES = Names(
    _ENCODER
    | {"value_transform": "value/linear1"}  # of one layer
    | {
        f"{theirs}.{layer}": f"{ours}/{layer}"
        for theirs, ours in _HEADS.items()
        for layer in ("linear1", "bn1", "linear2")
    }
)


def pixpro(case):
    """The averages stand after the optimizer here, and before the teacher there.

    So the teacher is loaded one average ahead, and compared one average back.
    """
    hyper = case["hyper"]
    stored = {group: steps.initial(case, group) for group in ("online", "teacher")}
    given = {group: without_sides(arrays) for group, arrays in stored.items()}
    momentum = schedules.cosine(start=hyper["m"], end=1.0, steps=hyper["K"])
    steps.agree(case, "ema_momentum", momentum)
    method, batches = _method(hyper, given["online"], momentum), _batches(case)
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(given["online"], params, extra["stats"])
    teacher, teacher_stats = NAMES.read(
        given["teacher"], extra["teacher"], extra["teacher_stats"]
    )
    extra = {
        "stats": stats,
        "teacher": steps.ahead(teacher, params, momentum(0)),
        "teacher_stats": teacher_stats,
    }
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    back = steps.behind(state, momentum(steps.count(case)))
    final = {
        "online": NAMES.write(state.params, state.extra["stats"], given["online"]),
        "teacher": NAMES.write(back, state.extra["teacher_stats"], given["teacher"]),
    }
    return {"loss": metrics["ssl/loss"], "final": with_sides(final, stored)}


def without_sides(arrays):
    """Convolutions of one pixel as the matrices that they are."""
    return {k: v[:, :, 0, 0] if v.shape[2:] == (1, 1) else v for k, v in arrays.items()}


def with_sides(final, stored):
    """{group/name: array} in the shapes that are stored."""
    return {
        name: value.reshape(stored[group][name.removeprefix(f"{group}/")].shape)
        for group, values in final.items()
        for name, value in prefixed(values, f"{group}/").items()
    }


def encoder_of(online):
    """Two convolutions of stride 2; the features of an image are its mean."""
    widths = [len(online[f"encoder.conv{i}.weight"]) for i in (1, 2)]
    return models.convnet(widths=widths, strides=(2, 2), output=("pooled", "map"))


def _method(hyper, online, momentum):
    hidden, dim = (len(online[f"projector.linear{i}.weight"]) for i in (1, 2))
    return methods.pixpro(
        encoder_of(online),
        hidden=hidden,
        dim=dim,
        power=hyper["p"],
        floor=hyper["clamp"],
        layers=hyper["layers"],
        ratio=hyper["ratio"],
        instance=hyper["ins"],
        momentum=momentum,
    )


def _batches(case):
    views, coordinates = (
        tuple(steps.inputs(case, f"{name}{i}") for i in (0, 1))
        for name in ("view", "coord")
    )
    return {"views": views, "coordinates": np.stack(coordinates, axis=2)}


def _optimizer(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    name = choice(case["optimizer"], "name", {"sgd": "sgd", "lars": "lars"})
    if name != hyper["optimizer"]:
        raise ValueError(f"the optimizer is {name} and {hyper['optimizer']}")
    steps.same(
        momentum=(given["momentum"], hyper["mu"]),
        decay=(given["weight_decay"], hyper["wd"]),
    )
    for table, value in (("momentum", hyper["mu"]), ("weight_decay", hyper["wd"])):
        steps.agree(case, table, value)
    rates, peak = steps.table(case, "lr"), hyper["lr"]
    options = {
        "learning_rate": peak,
        "schedule": lambda step: rates(step) / peak,
        "momentum": hyper["mu"],
        "weight_decay": hyper["wd"],
    }
    if name == "sgd":
        return optim.sgd(**options)
    return optim.lars_byol(**options, trust=given["trust"])


TRAJECTORIES = {"pixpro": pixpro}
NOT_READ = {
    "pixpro": {
        "optimizer.args.trust": "SGD has none",
        "optimizer.args.eps": "added to norms, of which it is a part in 10^8",
    }
}
