"""BYOL's training step."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sslax import memory, methods, models, optim, schedules
from sslax.core import Aux, Objective
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names

_HEAD = ("linear1", "bn1", "linear2")
NAMES = Names(
    {f"encoder.{x}": f"encoder/{x}" for x in ("conv1", "bn1", "conv2", "bn2")}
    | {
        f"{head}.{x}": f"{head}/{x}"
        for head in ("projector", "predictor")
        for x in _HEAD
    }
    | {"classifier": "classifier/linear1"}
)
_LEARNED = ("encoder", "projector", "predictor")


def byol(case):
    hyper = case["hyper"]
    stored = {k: steps.initial(case, k) for k in ("online", "teacher")}
    heads = [stored["online"][f"{head}.linear1.weight"] for head in _LEARNED[1:]]
    hidden = max(len(kernel) for kernel in heads)
    padded = {k: _padded(v, hidden) for k, v in stored.items()}
    widths = [len(padded["online"][f"encoder.conv{i}.weight"]) for i in (1, 2)]
    encoder = models.convnet(widths=widths, strides=(2, 2))
    momentum = schedules.cosine(start=hyper["tau"], end=1.0, steps=hyper["max_steps"])
    steps.agree(case, "ema_momentum", momentum)
    method = methods.byol(
        encoder,
        hidden=hidden,
        dim=len(padded["online"]["projector.linear2.weight"]),
        momentum=momentum,
    )
    classes = len(padded["online"]["classifier.bias"])
    method = _with_probe(method, encoder, models.linear(dim=classes), momentum)
    batches = {
        "views": (steps.inputs(case, "view0"), steps.inputs(case, "view1")),
        "label": steps.inputs(case, "label"),
    }
    params, extra = steps.blank(method, steps.first(batches))
    params, _ = NAMES.read(padded["online"], params, {})
    teacher, _ = NAMES.read(padded["teacher"], params, {})
    extra |= {
        name: {k: teacher[k] for k in extra[name]} for name in ("teacher", "others")
    }
    tx = _optimizer(case)
    metrics, state = steps.run(method, {"probe": tx, "ssl": tx}, batches, params, extra)
    follower = state.extra["teacher"] | state.extra["others"]
    final = {
        "online": NAMES.write(state.params, {}, stored["online"]),
        "teacher": NAMES.write(follower, {}, stored["teacher"]),
    }
    return {
        "loss": metrics["ssl/loss"] + metrics["probe/loss"],
        "repr_loss": metrics["ssl/loss"],
        "classif_loss": metrics["probe/loss"],
        "final": {
            f"{group}/{name}": _cut(value, stored[group][name])
            for group, values in final.items()
            for name, value in values.items()
        },
    }


def _with_probe(method, encoder, classifier, momentum):
    """A linear classifier of the first view, beside: it moves nothing else.

    Its teacher, and that of the predictor, which nobody reads, follow as well.
    """

    def init(key, batch):
        params, extra = method.init(key, batch)
        features = jnp.zeros((1, params["projector"]["linear1"]["kernel"].shape[0]))
        params |= {"classifier": classifier.init(key, features)[0]}
        return params, extra | {"others": {k: params[k] for k in others}}

    def probe(params, extra, batch, *, key, step):
        del key, step
        stats, image = extra["stats"]["encoder"], batch["views"][0]
        features, _ = encoder.apply(params["encoder"], stats, image, train=True)
        features = jax.lax.stop_gradient(features)
        logits, _ = classifier.apply(params["classifier"], {}, features)
        value = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        return value.mean(), Aux(extra)

    def after_update(params, extra, *, step):
        params, extra = method.after_update(params, extra, step=step)
        new = {k: params[k] for k in others}
        new = memory.ema(extra["others"], new, momentum=momentum(step))
        return params, {**extra, "others": new}

    others = ("predictor", "classifier")
    ssl = dataclasses.replace(method.objectives["ssl"], wrt=_LEARNED)
    return dataclasses.replace(
        method,
        init=init,
        # First what reads the encoder before it moves.
        objectives={"probe": Objective(loss=probe, wrt=("classifier",)), "ssl": ssl},
        after_update=after_update,
    )


def _padded(arrays, hidden):
    """Heads of one hidden width: what is added is 0 and stays there.

    `methods.byol` has one width for both. Without weights, a unit behind batch norm
    gives 0 and gets no gradient; norms of tensors, which LARS takes, do not change.
    """
    out = dict(arrays)
    for head in _LEARNED[1:]:
        for layer in _HEAD:
            for leaf in ("weight", "bias"):
                name = f"{head}.{layer}.{leaf}"
                if name in arrays:
                    x = arrays[name]
                    more = [(0, 0)] * x.ndim
                    axis = 1 if layer == "linear2" else 0
                    more[axis] = (0, hidden - x.shape[axis])
                    out[name] = np.pad(x, more)
    return out


def _cut(value, like):
    return value[tuple(slice(0, n) for n in like.shape)]


def _optimizer(case):
    hyper = case["hyper"]
    make = choice(case["optimizer"], "name", {"LARS (BYOL)": optim.lars_byol})
    given = case["optimizer"]["args"]
    steps.same(
        momentum=(given["momentum"], hyper["mu"]),
        decay=(given["weight_decay"], hyper["wd"]),
        trust=(given["trust"], hyper["eta"]),
    )
    schedule = schedules.warmup_cosine(steps=hyper["max_steps"], warmup=hyper["warm"])
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    steps.agree(case, "momentum", hyper["mu"])
    return make(
        learning_rate=hyper["lr"],
        schedule=schedule,
        momentum=hyper["mu"],
        weight_decay=hyper["wd"],
        trust=hyper["eta"],
    )


TRAJECTORIES = {"byol": byol}
SKIPPED = {
    "byol": {"*_haiku_stats/*": "averages without a start, which enter nothing here"}
}
