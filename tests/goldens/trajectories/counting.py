"""Learning to Count's training step, as it is implemented for TensorFlow."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import methods, models, optim, schedules
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

NAMES = Names(
    {f"conv{i}": f"encoder/conv{i}" for i in (1, 2)} | {"fc": "counter/linear1"}
)
LAST_RATE = 1e-7


def counting(case):
    hyper = case["hyper"]
    stored = steps.initial(case, "online")
    method = methods.counting(
        _convolutions([len(stored[f"conv{i}.bias"]) for i in (1, 2)]),
        models.linear(dim=hyper["counts"]),
        margin=hyper["margin"],
    )
    images = [steps.inputs(case, f"view{i}") for i in range(2)]
    small = [steps.inputs(case, f"small{i}") for i in range(2)]
    views = [x for i in range(2) for x in (small[i], _quarters(images[i]))]
    count, pairs = small[0].shape[:2]
    steps.same(pairs=(pairs, hyper["pairs"]), steps=(count, hyper["K"]))
    params, extra = steps.blank(method, {"views": [x[0] for x in views]})
    params, _ = NAMES.read(stored, params, {})
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, {"views": tuple(views)}, params, extra
    )
    final = NAMES.write(state.params, {}, stored)
    return {"loss": metrics["ssl/loss"], "final": prefixed(final, "online/")}


def _quarters(image):
    """`[k b h w c]` as `[k b 4 h/2 w/2 c]`, in raster order."""
    rows = np.split(image, 2, axis=2)
    return np.stack([x for row in rows for x in np.split(row, 2, axis=3)], axis=2)


def _convolutions(widths):
    """Two convolutions with biases whose map is read (channel, row, column)."""

    def init(key, x):
        params, before = {}, x.shape[-1]
        for i, width in enumerate(widths, start=1):
            kernel = jnp.zeros((3, 3, before, width), x.dtype)
            params[f"conv{i}"] = {"kernel": kernel, "bias": jnp.zeros(width, x.dtype)}
            before = width
        return params, {}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del train, key, order
        for i in range(1, len(widths) + 1):
            layer = params[f"conv{i}"]
            x = jax.lax.conv_general_dilated(
                x,
                layer["kernel"],
                (2, 2),
                ((1, 1), (1, 1)),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            x = jax.nn.relu(x + layer["bias"].reshape(1, 1, 1, -1))
        return x.transpose(0, 3, 1, 2).reshape(len(x), -1), stats

    return Net(init, apply)


def _optimizer(case):
    """TensorFlow's Adam adds epsilon to the root of the moment as it is."""
    given, hyper = case["optimizer"]["args"], case["hyper"]
    name = case["optimizer"]["name"].partition(" ")[0]
    make = choice({"name": name}, "name", {"tf.train.AdamOptimizer": optim.adam})
    falls = schedules.ramp(
        start=1.0, end=LAST_RATE / hyper["lr"], steps=hyper["epochs"]
    )
    schedule = schedules.by_epoch(schedule=falls, steps_per_epoch=hyper["per_epoch"])
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    b1, b2 = given["betas"]
    return make(
        learning_rate=hyper["lr"],
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        eps_first=True,
    )


TRAJECTORIES = {"counting": counting}
