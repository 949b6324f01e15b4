"""Linear probes on frozen encoders, and fine-tuning with two rates."""

from __future__ import annotations

import re

import jax

from sslax import convert, methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

CONVNET = Names(
    {f"encoder.{name}": f"encoder/{name}" for name in ("conv1", "bn1", "conv2", "bn2")}
    | {"head": "classifier/linear1"}
)
PROBE = Names({"head.0": "classifier/bn0", "head.1": "classifier/linear1"})


def linear_probe(case):
    source = case["source"].partition("@")[0].partition("/")[2]
    probes = {"mae": _mae, "moco": _moco, "moco-v3": _moco_v3, "barlowtwins": _barlow}
    return probes[source](case)


def _moco(case):
    hyper = case["hyper"]
    schedule = schedules.step_decay(boundaries=hyper["schedule"], factor=0.1)
    schedule = schedules.by_epoch(schedule=schedule, steps_per_epoch=hyper["per_epoch"])
    return _convnet(case, _sgd(case, hyper["lr"], schedule), frozen=True)


def _moco_v3(case):
    hyper = case["hyper"]
    rate = hyper["lr"] * hyper["batch_size_arg"] / 256
    return _convnet(case, _sgd(case, rate, _cosine(hyper)), frozen=True)


def _barlow(case):
    hyper = case["hyper"]
    head = _sgd(case, hyper["lr_classifier"], _cosine(hyper), "lr_head")
    trunk = _sgd(case, hyper["lr_backbone"], _cosine(hyper))
    if choice(hyper, "weights", {"freeze": True, "finetune": False}):
        return _convnet(case, head, frozen=True)
    return _convnet(case, optim.grouped(trunk, others=((("classifier",), head),)))


def _swav(case):
    hyper = case["hyper"]
    schedule = schedules.step_decay(
        boundaries=hyper["decay_epochs"], factor=hyper["gamma"]
    )
    schedule = schedules.by_epoch(schedule=schedule, steps_per_epoch=hyper["per_epoch"])
    trunk = _sgd(case, hyper["lr"], schedule)
    head = _sgd(case, hyper["lr_last_layer"], schedule, "lr_head")
    return _convnet(case, optim.grouped(trunk, others=((("classifier",), head),)))


def semi_supervised(case):
    source = case["source"].partition("@")[0].partition("/")[2]
    return {"swav": _swav, "barlowtwins": _barlow}[source](case)


def _cosine(hyper):
    cosine = schedules.cosine(start=1.0, end=0.0, steps=hyper["epochs"])
    return schedules.by_epoch(schedule=cosine, steps_per_epoch=hyper["per_epoch"])


def _sgd(case, rate, schedule, name="lr"):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(case["optimizer"], "name", {"torch.optim.SGD": optim.sgd})
    decay = hyper.get("wd", 0.0)
    steps.same(decay=(given["weight_decay"], decay))
    steps.agree(case, name, lambda k: rate * schedule(k))
    steps.agree(case, "weight_decay", decay)
    return optim.sgd(
        learning_rate=rate,
        schedule=schedule,
        momentum=given["momentum"],
        weight_decay=decay,
        exclude="none",
    )


def _convnet(case, tx, *, frozen=False):
    """The small convolutional encoder with a linear head."""
    hyper = case["hyper"]
    stored = _stored(case)
    widths = [stored[f"encoder.conv{i}.weight"].shape[0] for i in (1, 2)]
    method = methods.classifier(
        models.convnet(widths=widths, strides=(2, 2)),
        classes=stored["head.weight"].shape[0],
        frozen=frozen,
    )
    batches = _batches(case)
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = CONVNET.read(stored, params, extra["stats"])
    metrics, state = steps.run(
        method, {"supervised": tx}, batches, params, {"stats": stats}
    )
    final = CONVNET.write(state.params, state.extra["stats"], stored)
    out = {"loss": metrics["supervised/loss"], "final": _final(final)}
    steps.same(steps=(hyper["K"], steps.count(case)))
    if frozen:
        out["features"] = _features(method, params, {"stats": stats}, batches)
    return out


def _mae(case):
    hyper = case["hyper"]
    stored = _stored(case)
    pool = choice(hyper, "global_pool", {False: "cls", True: "mean"})
    body = {
        k.removeprefix("encoder."): v
        for k, v in stored.items()
        if k.startswith("encoder.")
    }
    head = {k: v for k, v in stored.items() if k.startswith("head.")}
    call = {"name": "vit", **_size(case["network"], body), "pool": pool}
    net = models.vit(**{k: v for k, v in call.items() if k != "name"})
    method = methods.classifier(
        net, classes=len(head["head.1.bias"]), frozen=True, head_norm=True
    )
    batches = _batches(case)
    image = steps.first(batches)["views"][0]
    options = {"model": call, "source": "torch", "inputs": [image]}
    params, extra = steps.blank(method, steps.first(batches))
    encoder, _, _ = convert.from_torch(body, prefix="", **options)
    only = [{"classifier": tree["classifier"]} for tree in (params, extra["stats"])]
    probe, stats = PROBE.read(head, *only)
    params = jax.device_put({"encoder": encoder, **probe})
    extra = {"stats": {"encoder": {}, **stats}}
    metrics, state = steps.run(
        method, {"supervised": _mae_lars(case)}, batches, params, extra
    )
    final = prefixed(
        convert.to_torch(state.params["encoder"], {}, **options), "encoder."
    )
    final |= PROBE.write(state.params, state.extra["stats"], head)
    steps.same(steps=(hyper["K"], steps.count(case)))
    return {
        "loss": metrics["supervised/loss"],
        "features": _features(method, params, extra, batches),
        "final": _final(final),
    }


def _mae_lars(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(case["optimizer"], "name", {"util.lars.LARS": optim.lars_byol})
    steps.same(decay=(given["weight_decay"], hyper["wd"]))
    rate = hyper["blr"] * hyper["batch_size_arg"] / 256
    schedule = schedules.warmup_cosine(
        steps=hyper["epochs"] * hyper["per_epoch"],
        warmup=hyper["warmup"] * hyper["per_epoch"],
        end=hyper["min_lr"] / rate,
    )
    steps.agree(case, "lr", lambda k: rate * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    return optim.lars_byol(
        learning_rate=rate,
        schedule=schedule,
        momentum=given["momentum"],
        weight_decay=hyper["wd"],
        trust=given["trust_coefficient"],
        exclude="rank_one",
    )


def _size(network, stored):
    found = [re.match(r"blocks\.(\d+)\.", name) for name in stored]
    kernel = stored["patch_embed.proj.weight"]
    return {
        "width": kernel.shape[0],
        "patch_size": kernel.shape[-1],
        "depth": 1 + max(int(match[1]) for match in found if match),
        "heads": int(re.search(r"\bheads (\d+)", network)[1]),
    }


def _stored(case):
    """Arrays of both groups, "encoder." and "head." before their names."""
    return prefixed(steps.initial(case, "encoder"), "encoder.") | prefixed(
        steps.initial(case, "head"), "head."
    )


def _final(arrays):
    return {name.replace(".", "/", 1): value for name, value in arrays.items()}


def _batches(case):
    image, label = steps.inputs(case, "view0"), steps.inputs(case, "label")
    steps.same(batch=(image.shape[1], case["hyper"]["batch"]))
    return {"views": (image,), "label": label}


def _features(method, params, extra, batches):
    read = method.outputs["features"]
    return jax.vmap(lambda batch: read(params, extra, batch, key=jax.random.key(0)))(
        batches
    )


TRAJECTORIES = {"linear_probe": linear_probe, "semi_supervised": semi_supervised}
NOT_READ = {
    "linear_probe": {
        "hyper.batch_size_arg": "MoCo's rate does not follow the batch",
        "hyper.epochs": "MoCo's stairs have no end",
    },
    "semi_supervised": {"hyper.epochs": "SwAV's stairs have no end"},
}
