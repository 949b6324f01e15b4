"""Context prediction's training step, as it is implemented for PyTorch."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sslax import methods, models, optim
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

NAMES = Names(
    {f"cnn.{name}": f"encoder/{name}" for name in ("conv1", "bn1", "conv2", "bn2")}
    | {"fc6.0": "encoder/fc6", "fc6.2": "encoder/bn6"}
    | {f"fc.{2 * i}": f"head/linear{i + 1}" for i in range(3)}
)
PATIENCE = 5  # epochs before the rate falls


def context_prediction(case):
    hyper = case["hyper"]
    stored = steps.initial(case, "online")
    widths = [len(stored[f"cnn.conv{i}.weight"]) for i in (1, 2)]
    head = models.caffenet_head(
        dim=len(stored["fc.4.bias"]),
        hidden=[len(stored[f"fc.{i}.bias"]) for i in (0, 2)],
        norm=None,
    )
    tower = _tower(widths, dim=len(stored["fc6.0.bias"]))
    method = methods.context_prediction(tower, head)
    middle, other = (steps.inputs(case, f"view{i}")[:, :, None] for i in range(2))
    label = steps.inputs(case, "label")[..., None]
    pairs = np.broadcast_to(np.array([0, 1], np.int32), (*label.shape, 2))
    batches = {"views": (middle, other), "pairs": pairs, "position": label}
    steps.same(batch=(label.shape[1], hyper["batch"]), steps=(len(label), hyper["K"]))
    if hyper["K"] > PATIENCE * hyper["per_epoch"]:
        raise ValueError("the rate may have fallen, which this does not follow")
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(stored, params, extra["stats"])
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, {**extra, "stats": stats}
    )
    final = NAMES.write(state.params, state.extra["stats"], stored)
    return {"loss": metrics["ssl/loss"], "final": prefixed(final, "online/")}


def _tower(widths, *, dim):
    """Small convolutions, a linear layer, and batch norm behind its ReLU."""
    convolutions, linear = (
        models.convnet(widths=widths, strides=(2, 2)),
        models.linear(dim=dim),
    )

    def init(key, x):
        params, stats = convolutions.init(key, x)
        fc6, _ = linear.init(key, jnp.zeros((1, widths[-1]), x.dtype))
        norm = {"scale": jnp.ones(dim, x.dtype), "bias": jnp.zeros(dim, x.dtype)}
        kept = {"mean": jnp.zeros(dim, x.dtype), "var": jnp.ones(dim, x.dtype)}
        stats = {"batch_stats": {**stats["batch_stats"], "bn6": kept}}
        return {**params, "fc6": fc6["linear1"], "bn6": norm}, stats

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del key, order
        own, kept = params["bn6"], stats["batch_stats"]["bn6"]
        x, new = convolutions.apply(params, stats, x, train=train)
        x, _ = linear.apply({"linear1": params["fc6"]}, {}, x)
        x = jnp.maximum(x, 0.0)
        mean, var = kept["mean"], kept["var"]
        if train:
            mean, var, count = x.mean(axis=0), x.var(axis=0), len(x)
            kept = {
                "mean": 0.9 * kept["mean"] + 0.1 * mean,
                "var": 0.9 * kept["var"] + 0.1 * var * count / (count - 1),
            }
        x = (x - mean[None]) / jnp.sqrt(var[None] + 1e-5)
        stats = {"batch_stats": {**new["batch_stats"], "bn6": kept}}
        return x * own["scale"][None] + own["bias"][None], stats

    return Net(init, apply)


def _optimizer(case):
    make = choice(case["optimizer"], "name", {"torch.optim.Adam": optim.adam})
    given, hyper = case["optimizer"]["args"], case["hyper"]
    b1, b2 = given["betas"]
    steps.same(lr=(given["lr"], hyper["lr"]))
    steps.agree(case, "lr", hyper["lr"])
    return make(learning_rate=hyper["lr"], b1=b1, b2=b2, eps=given["eps"])


TRAJECTORIES = {"context_prediction": context_prediction}
UNDETERMINED = {
    "context_prediction": {
        "*fc6.0.bias": "of units that are always on, behind which batch norm stands",
        "*fc6.2.running_mean": "the mean of what that bias shifts",
    }
}
