"""RotNet's training step."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sslax import augment, methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

NAMES = Names(
    {name: f"encoder/{name}" for name in ("conv1", "bn1", "conv2", "bn2")}
    | {"fc": "classifier/linear1"}
)


def rotation(case):
    hyper = case["hyper"]
    stored = steps.initial(case, "online")
    widths = [stored[f"conv{i}.weight"].shape[0] for i in (1, 2)]
    method = methods.rotation(models.convnet(widths=widths, strides=(2, 2)))
    image = steps.inputs(case, "view0")
    turned = [[augment.rot90(jnp.asarray(x), turns=k) for x in image] for k in range(4)]
    batches = {"views": tuple(np.stack(views) for views in turned)}
    labels = steps.inputs(case, "label").reshape(-1, 4)
    if np.any(labels != np.arange(4)):
        raise ValueError("labels are not 0 1 2 3 for each image in turn")
    steps.same(
        batch=(hyper["batch"], image.shape[1]),
        steps=(hyper["epochs_run"] * hyper["steps_per_epoch"], len(image)),
    )
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(stored, params, extra["stats"])
    tx = _optimizer(case)
    metrics, state = steps.run(
        method, {"ssl": tx}, batches, params, {**extra, "stats": stats}
    )
    online = NAMES.write(state.params, state.extra["stats"], stored)
    moved = NAMES.write(steps.buffers(state), {}, stored)
    return {
        "loss": metrics["ssl/loss"],
        "accuracy": metrics["ssl/accuracy"],
        "final": prefixed(online, "online/") | prefixed(moved, "opt/momentum_buffer/"),
    }


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"SGD": optim.sgd})
    given = case["optimizer"]["args"]
    choice(given, "lr", {"the table": None})
    choice(given, "dampening", {0: None})
    if given["nesterov"] != hyper["nesterov"]:
        raise ValueError("two values of nesterov")
    steps.same(
        momentum=(given["momentum"], hyper["momentum"]),
        decay=(given["weight_decay"], hyper["wd"]),
    )
    ends, rates = zip(*hyper["lut"], strict=True)
    schedule = schedules.step_decay(
        boundaries=ends[:-1],
        values=[rate / rates[0] for rate in rates[1:]],
        unit=hyper["steps_per_epoch"],
    )
    schedule = steps.later(schedule, hyper["start"] * hyper["steps_per_epoch"])
    steps.agree(case, "lr", lambda k: rates[0] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    return optim.sgd(
        learning_rate=rates[0],
        schedule=schedule,
        momentum=hyper["momentum"],
        nesterov=hyper["nesterov"],
        weight_decay=hyper["wd"],
    )


TRAJECTORIES = {"rotation": rotation}
