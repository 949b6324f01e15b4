"""MoCo's training steps: versions 1 and 2, and the CIFAR notebook's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import losses, memory, methods, models, optim, schedules
from sslax.core import Aux, Method, Objective
from sslax.nets import chain, features_of
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

_ENCODER = {name: f"encoder/{name}" for name in ("conv1", "bn1", "conv2", "bn2")}
_NOTEBOOK = {
    "net.0": "encoder/conv1",
    "net.1": "encoder/bn1",
    "net.3": "encoder/conv2",
    "net.4": "encoder/bn2",
    "net.8": "projector/linear1",
}
_HEADS = {
    "fc": "projector/linear1",
    "fc.0": "projector/linear1",
    "fc.2": "projector/linear2",
}
NAMES = Names(
    {
        f"{net}.{theirs}": ours
        for net in ("encoder_q", "encoder_k")
        for theirs, ours in (_ENCODER | _NOTEBOOK | _HEADS).items()
    }
)


def moco(case):
    """The averages stand after the optimizer here, and before the queries there.

    So the teacher is loaded one average ahead, and compared one average back.
    """
    hyper = case["hyper"]
    online, teacher = steps.initial(case, "online"), steps.initial(case, "teacher")
    method, batches = (_notebook if "bn_splits" in hyper else _method)(case, online)
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(online, params, extra["stats"])
    behind, teacher_stats = NAMES.read(teacher, params, extra["teacher_stats"])
    m = hyper["momentum"]
    steps.agree(case, "momentum", m)
    steps.agree(case, "temperature", hyper["temperature"])
    queue = case["arrays"]["init/queue/queue"].T
    steps.same(
        queue=(hyper["queue"], queue.shape[0]),
        dim=(hyper["dim"], queue.shape[1]),
        batch=(hyper["batch"], batches["views"][0].shape[1]),
    )
    extra = {
        "stats": stats,
        "teacher": steps.ahead(behind, params, m),
        "teacher_stats": teacher_stats,
        "queue": queue,
        "head": case["arrays"]["init/queue/queue_ptr"][0].astype(np.int32),
    }
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    back = steps.behind(state, m)
    moved = NAMES.write(steps.buffers(state), {}, online)
    return {
        "loss": metrics["ssl/loss"],
        "final": {
            "queue/queue": state.extra["queue"].T,
            "queue/queue_ptr": state.extra["head"][None],
            **prefixed(
                NAMES.write(state.params, state.extra["stats"], online), "online/"
            ),
            **prefixed(
                NAMES.write(back, state.extra["teacher_stats"], teacher), "teacher/"
            ),
            **prefixed(moved, "opt/momentum_buffer/"),
        },
    }


def _encoder(online, **options):
    kernels = [v for v in online.values() if v.ndim == 4]
    widths = [kernel.shape[0] for kernel in kernels]
    return models.convnet(widths=widths, strides=(2,) * len(widths), **options)


def _method(case, online):
    """`methods.moco`: without groups of batch norm, its own shuffle changes nothing."""
    hyper, hidden = case["hyper"], None
    if hyper["mlp"]:
        hidden = online["encoder_q.fc.0.weight"].shape[0]
    method = methods.moco(
        _encoder(online),
        hidden=hidden,
        dim=hyper["dim"],
        queue_size=hyper["queue"],
        momentum=hyper["momentum"],
        temperature=hyper["temperature"],
    )
    return method, {"views": _views(case)}


def _views(case):
    return steps.inputs(case, "view0"), steps.inputs(case, "view1")


def _notebook(case, online):
    """A method of the groups that the notebook draws, and symmetric where it is."""
    hyper = case["hyper"]
    net = chain(
        encoder=_encoder(online, bn_groups=hyper["bn_splits"]),
        projector=models.linear(dim=hyper["dim"]),
    )
    orders = ["key_order", "key_order_swapped"][: 1 + hyper["symmetric"]]
    batches = {
        "views": _views(case),
        "orders": tuple(steps.inputs(case, order) for order in orders),
        "query_order": steps.inputs(case, "query_order"),
    }

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {"stats": stats, "teacher_stats": stats}

    def contrast(params, extra, views, orders):
        (query, key), (query_order, key_order) = views, orders
        q, stats = net.apply(
            params, extra["stats"], query, train=True, order=query_order
        )
        k, teacher_stats = net.apply(
            extra["teacher"],
            extra["teacher_stats"],
            key,
            train=True,
            order=key_order,
        )
        k = jax.lax.stop_gradient(losses.unit(k["projector"]))
        value = losses.info_nce(
            q["projector"], k, extra["queue"], temperature=hyper["temperature"]
        )
        return value, k, {**extra, "stats": stats, "teacher_stats": teacher_stats}

    def loss(params, extra, batch, *, key, step):
        del key, step
        total, keys, views = 0.0, [], batch["views"]
        for order in batch["orders"]:
            value, k, extra = contrast(
                params, extra, views, (batch["query_order"], order)
            )
            total, keys, views = total + value, [k, *keys], views[::-1]
        queue, head = memory.enqueue(
            extra["queue"], extra["head"], jnp.concatenate(keys)
        )
        return total, Aux({**extra, "queue": queue, "head": head})

    groups = ("encoder", "projector")
    method = Method(
        init=init,
        objectives={"ssl": Objective(loss=loss)},
        outputs={"features": features_of(net, "encoder")},
        after_update=memory.follows(groups, momentum=hyper["momentum"]),
    )
    return method, batches


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"torch.optim.SGD": optim.sgd})
    given = case["optimizer"]["args"]
    momentum = hyper.get("sgd_momentum", given["momentum"])
    steps.same(
        lr=(given["lr"], hyper["lr"]),
        momentum=(given["momentum"], momentum),
        decay=(given["weight_decay"], hyper["weight_decay"]),
    )
    schedule = _schedule(hyper)
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["weight_decay"])
    return optim.sgd(
        learning_rate=hyper["lr"],
        schedule=schedule,
        momentum=momentum,
        weight_decay=hyper["weight_decay"],
    )


def _schedule(hyper):
    """By the epoch, which the notebook counts from 1."""
    epochs, per_epoch = hyper["epochs"], hyper["steps_per_epoch"]
    milestones = np.unique(hyper.get("schedule", [epochs])).tolist()
    if hyper["cosine"]:
        falling = schedules.cosine(start=1.0, end=0.0, steps=epochs)
    else:
        falling = schedules.step_decay(boundaries=milestones, factor=0.1)
    schedule = schedules.by_epoch(schedule=falling, steps_per_epoch=per_epoch)
    return steps.later(schedule, per_epoch if "bn_splits" in hyper else 0)


TRAJECTORIES = {"moco": moco}
NOT_READ = {
    "moco": {
        "step*/in/shuffle*": "without groups it changes nothing; with them, key_order",
    }
}
