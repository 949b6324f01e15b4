"""SwAV's training step."""

from __future__ import annotations

import dataclasses

from sslax import methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

NAMES = Names(
    {x: f"encoder/{x}" for x in ("conv1", "bn1", "conv2", "bn2")}
    | {
        "projection_head.0": "head/projector/linear1",
        "projection_head.1": "head/projector/bn1",
        "projection_head.3": "head/projector/linear2",
        "prototypes": "head/prototypes",
    }
)


def swav(case):
    """The prototypes are made unit before a step here, and after it there.

    So they are made so once before the first step, and are compared as the last update
    left them.
    """
    hyper = case["hyper"]
    online = steps.initial(case, "online")
    batches = {"views": steps.views(case)}
    method, size = _method(case, online)
    steps.same(
        crops=(sum(hyper["crops"]), len(batches["views"])),
        batch=(hyper["batch"], batches["views"][0].shape[1]),
    )
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(online, params, extra["stats"])
    start = {**extra, "stats": stats}
    if size:
        start["queue"] = case["arrays"]["init/queue/queue"]
    start["last"] = params["head"]["prototypes"]
    params, _ = method.after_update(params, start, step=0)
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, start
    )
    last = {**state.params["head"], "prototypes": state.extra["last"]}
    online_now = NAMES.write(
        {**state.params, "head": last}, state.extra["stats"], online
    )
    final = prefixed(online_now, "online/")
    if size:
        final["queue/queue"] = state.extra["queue"]
    moved = NAMES.write(steps.buffers(state), {}, online)
    return {
        "loss": metrics["ssl/loss"],
        "final": final | prefixed(moved, "opt/momentum_buffer/"),
    }


def _method(case, online):
    """The method, which notes the prototypes as updates leave them; size of a queue."""
    hyper = case["hyper"]
    size = hyper["queue_length"] - hyper["queue_length"] % hyper["batch"]
    method = methods.swav(
        models.convnet(
            widths=[len(online[f"conv{i}.weight"]) for i in (1, 2)], strides=(2, 2)
        ),
        hidden=hyper["hidden_width"],
        dim=hyper["dim"],
        prototypes=hyper["prototypes"],
        temperature=hyper["temperature"],
        epsilon=hyper["epsilon"],
        iterations=hyper["sinkhorn_iterations"],
        queue_size=size,
        queue_start=hyper["queue_from_epoch"] * hyper["steps_per_epoch"],
    )
    steps.agree(case, "temperature", hyper["temperature"])
    steps.agree(case, "epsilon", hyper["epsilon"])

    def after_update(params, extra, *, step):
        extra = {**extra, "last": params["head"]["prototypes"]}
        return method.after_update(params, extra, step=step)

    return dataclasses.replace(method, after_update=after_update), size


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"LARC(torch.optim.SGD)": optim.larc})
    given = case["optimizer"]["args"]
    steps.same(decay=(given["weight_decay"], hyper["weight_decay"]))
    per_epoch = hyper["steps_per_epoch"]
    schedule = schedules.warmup_cosine(
        steps=hyper["epochs"] * per_epoch,
        warmup=hyper["warmup_epochs"] * per_epoch,
        start=hyper["warmup_start_lr"] / hyper["lr"],
        end=hyper["final_lr"] / hyper["lr"],
        inclusive=True,
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["weight_decay"])
    return optim.frozen(
        optim.larc(
            learning_rate=hyper["lr"],
            schedule=schedule,
            momentum=given["momentum"],
            weight_decay=hyper["weight_decay"],
            trust=given["trust_coefficient"],
            clip=given["clip"],
        ),
        match=("prototypes",),
        steps=hyper["freeze_steps"],
    )


TRAJECTORIES = {"swav": swav}
