"""The context-free network's training step."""

from __future__ import annotations

import re

from sslax import augment, methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

TILES = 9


def jigsaw(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    classes = hyper["classes"]
    kernels = [stored[f"conv.conv{i}_s1.weight"] for i in range(1, 6)]
    widths = [len(kernel) for kernel in kernels]
    encoder = models.caffenet(
        widths=widths,
        hidden=len(stored["fc6.fc6_s1.weight"]),
        stride=2,
        padding=0,
        groups=widths[0] // kernels[1].shape[1],
        norm=None,
        init="gauss",
    )
    hidden = (len(stored["fc7.fc7.weight"]),)
    head = models.caffenet_head(dim=classes, hidden=hidden, norm=None, init="gauss")
    method = methods.jigsaw(encoder, head, permutations=classes)
    batches = _batches(case, classes)
    params, extra = steps.blank(method, steps.first(batches))
    names = _names(stored)
    params, _ = names.read(stored, params, extra["stats"])
    extra = {**extra, "permutations": augment.puzzles(classes)}
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    online = names.write(state.params, {}, stored)
    return {"loss": metrics["ssl/loss"], "final": prefixed(online, "online/")}


def _batches(case, classes):
    """The tiles lie as they are to be seen; which order that is, only its number says.

    They are stored as the network gets them, `input_scale` times as large as noise.
    """
    hyper, tiles = case["hyper"], steps.inputs(case, "view0")
    if hyper["input_scale"] <= 0:
        raise ValueError(f"pixels {hyper['input_scale']} times as large")
    labels = steps.inputs(case, "label")
    steps.same(
        batch=(hyper["batch"], tiles.shape[1]),
        tiles=(TILES, tiles.shape[2]),
        steps=(hyper["K"], len(tiles)),
    )
    order = augment.puzzles(classes)[labels]
    return {"views": (tiles,), "order": order}


def _names(stored):
    """Their layers end in the name of the scale; the head's have a group each."""
    layers = {}
    for name in stored:
        layer = name.rpartition(".")[0]
        ours = re.sub(r"_s1$", "", layer.split(".")[1])
        head = {"fc7": "classifier/linear1", "fc8": "classifier/linear2"}
        layers[layer] = head.get(ours, f"encoder/{ours}")
    return Names(layers)


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"torch.optim.SGD": optim.sgd})
    given = case["optimizer"]["args"]
    steps.same(
        momentum=(given["momentum"], hyper["momentum"]),
        decay=(given["weight_decay"], hyper["weight_decay"]),
    )
    falling = schedules.step_decay(boundaries=range(20, 200, 20), factor=0.1)
    schedule = schedules.by_epoch(
        schedule=falling,
        steps_per_epoch=hyper["steps_per_epoch"],
        first=hyper["first_epoch"],
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    return optim.sgd(
        learning_rate=hyper["lr"],
        schedule=schedule,
        momentum=hyper["momentum"],
        weight_decay=hyper["weight_decay"],
    )


TRAJECTORIES = {"jigsaw": jigsaw}
