"""InstDisc's training steps: NCE on ImageNet, and the softmax over all images."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sslax import methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

NAMES = Names(
    {f"encoder.{x}": f"encoder/{x}" for x in ("conv1", "bn1", "conv2", "bn2")}
    | {"linear": "projector/linear1"}
)


def instdisc(case):
    hyper = case["hyper"]
    stored = steps.initial(case, "online")
    bank = case["arrays"]["init/bank/memory"]
    widths = [len(stored[f"encoder.conv{i}.weight"]) for i in (1, 2)]
    method = methods.instdisc(
        models.convnet(widths=widths, strides=(2, 2)),
        examples=hyper["n"],
        dim=bank.shape[1],
        negatives=hyper["K"] or None,
        temperature=hyper["T"],
        momentum=hyper["m"],
    )
    steps.agree(case, "temperature", hyper["T"])
    steps.agree(case, "bank_momentum", hyper["m"])
    batches = {
        "views": (steps.inputs(case, "view0"),),
        "index": steps.inputs(case, "index"),
    }
    if hyper["K"]:
        batches["noise"] = noise(case, batches["index"], hyper["K"])
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(stored, params, extra["stats"])
    extra |= {"stats": stats, "bank": with_bank(extra["bank"], bank, hyper["n"])}
    if hyper["K"]:
        extra["log_z"] = np.full_like(extra["log_z"], -np.inf)
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    final = NAMES.write(state.params, state.extra["stats"], stored)
    kept = {"memory": state.extra["bank"][: hyper["n"]]}
    if hyper["K"]:
        kept["Z"] = jnp.exp(state.extra["log_z"][0])
    return {
        "loss": metrics["ssl/loss"],
        "final": prefixed(final, "online/") | prefixed(kept, "bank/"),
    }


def noise(case, index, count):
    """The noise of every step, behind the own image."""
    rows = steps.inputs(case, "noise_index")
    if rows.shape[-1] != 1 + count or np.any(rows[..., 0] != index):
        raise ValueError(
            f"noise of shape {rows.shape} is not the own image and {count}"
        )
    return rows[..., 1:]


def with_bank(blank, bank, count):
    """A stored bank, and the rows that fill ours up."""
    steps.same(rows=(count, len(bank)))
    return np.concatenate([bank, blank[len(bank) :].astype(bank.dtype)])


def _optimizer(case):
    hyper = case["hyper"]
    # The script of CIFAR goes on falling every 40 epochs, that of ImageNet does not.
    last = 160 if hyper["K"] else 1000
    falling = schedules.step_decay(boundaries=range(120, last + 1, 40), factor=0.1)
    return sgd(case, by_epochs(case, falling))


def by_epochs(case, falling):
    """A schedule of epochs, of which a case has a few, equally many steps in each."""
    epochs = np.asarray(case["hyper"]["epochs"])
    turns = steps.count(case) // len(epochs)
    return lambda step: falling(jnp.asarray(epochs)[step // turns])


def sgd(case, schedule):
    """SGD of everything, by a schedule that the steps are held to."""
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"SGD": optim.sgd})
    given = case["optimizer"]["args"]
    steps.same(
        momentum=(given["momentum"], hyper["mu"]),
        decay=(given["weight_decay"], hyper["wd"]),
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    steps.agree(case, "momentum", hyper["mu"])
    return optim.sgd(
        learning_rate=hyper["lr"],
        schedule=schedule,
        momentum=hyper["mu"],
        weight_decay=hyper["wd"],
    )


TRAJECTORIES = {"instdisc": instdisc}
