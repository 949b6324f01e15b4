"""SimSiam's training step."""

from __future__ import annotations

from sslax import methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

_LAYERS = range(1, 10)
NAMES = Names(
    {
        f"encoder.{kind}{i}": f"encoder/{kind}{i}"
        for kind in ("conv", "bn")
        for i in _LAYERS
    }
    | {
        f"{theirs}.{3 * (i - 1) + k}": f"{ours}/{kind}{i}"
        for theirs, ours in (("encoder.fc", "projector"), ("predictor", "predictor"))
        for k, kind in enumerate(("linear", "bn"))
        for i in _LAYERS
    }
)


def simsiam(case):
    hyper = case["hyper"]
    stored = steps.initial(case, "online")
    widths = [len(v) for k, v in stored.items() if v.ndim == 4]
    projector = [
        v for k, v in stored.items() if k.startswith("encoder.fc") and v.ndim == 2
    ]
    bottleneck = stored["predictor.0.weight"].shape[0]
    method = methods.simsiam(
        models.convnet(widths=widths, strides=(2,) * len(widths)),
        hidden=projector[0].shape[0],
        dim=hyper["dim"],
        depth=len(projector),
        bottleneck=hyper["pred_dim"],
    )
    batches = {"views": (steps.inputs(case, "view0"), steps.inputs(case, "view1"))}
    steps.same(
        dim=(hyper["dim"], len(projector[-1])),
        bottleneck=(hyper["pred_dim"], bottleneck),
        batch=(hyper["batch"], batches["views"][0].shape[1]),
    )
    online, bias = _without_bias(stored, len(projector))
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(online, params, extra["stats"])
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, {"stats": stats}
    )
    final = NAMES.write(state.params, state.extra["stats"], online)
    buffers = NAMES.write(steps.buffers(state), {}, online)
    return {
        "loss": metrics["ssl/loss"],
        "final": {
            **prefixed({k: v + bias.get(k, 0.0) for k, v in final.items()}, "online/"),
            **prefixed(
                {k: stored[k] for k in stored.keys() - online.keys()}, "online/"
            ),
            **prefixed(buffers, "opt/momentum_buffer/"),
        },
    }


def _without_bias(stored, depth):
    """The state without the frozen bias, and what it adds to the running mean."""
    last = 3 * (depth - 1)
    name, mean = f"encoder.fc.{last}.bias", f"encoder.fc.{last + 1}.running_mean"
    rest = {k: v for k, v in stored.items() if k != name}
    return {**rest, mean: stored[mean] - stored[name]}, {mean: stored[name]}


def _optimizer(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(case["optimizer"], "name", {"torch.optim.SGD": optim.sgd})
    rate = hyper["init_lr"]
    steps.same(
        rate=(rate, hyper["lr"] * hyper["batch"] / 256),
        given=(rate, given["lr"]),
        decay=(given["weight_decay"], hyper["weight_decay"]),
    )
    falling = schedules.by_epoch(
        schedule=schedules.cosine(start=1.0, end=0.0, steps=hyper["epochs"]),
        steps_per_epoch=hyper["steps_per_epoch"],
    )
    constant = schedules.constant()
    predictor = choice(hyper, "fix_pred_lr", {True: constant, False: falling})
    steps.agree(case, "lr_encoder", lambda k: rate * falling(k))
    steps.agree(case, "lr_predictor", lambda k: rate * predictor(k))
    steps.agree(case, "weight_decay", hyper["weight_decay"])

    def sgd(schedule):
        return optim.sgd(
            learning_rate=rate,
            schedule=schedule,
            momentum=given["momentum"],
            weight_decay=given["weight_decay"],
        )

    return optim.grouped(sgd(falling), others=((("^predictor/",), sgd(predictor)),))


TRAJECTORIES = {"simsiam": simsiam}
