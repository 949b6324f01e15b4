"""MAE's and BEiT's fine-tuning steps."""

from __future__ import annotations

import dataclasses
import re

from sslax import convert, memory, methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

HEAD = Names({"head": "classifier/linear1"})


def mae_finetune(case):
    hyper = case["hyper"]
    schedule = schedules.warmup_cosine(
        steps=hyper["epochs"] * hyper["steps_per_epoch"],
        warmup=hyper["warmup"] * hyper["steps_per_epoch"],
        end=hyper["min_lr"] / hyper["lr"],
    )
    begun = hyper["start"] * hyper["steps_per_epoch"]
    tx = _adamw(
        case,
        schedule=steps.later(schedule, begun),
        weight_decay=hyper["wd"],
        exclude=("rank_one", "cls_token", "pos_embed"),
    )
    pool = choice(hyper, "pool", {True: "mean", False: "cls"})
    return _run(case, {"positions": "learned", "pool": pool}, tx)


def beit_finetune(case):
    hyper = case["hyper"]
    total = hyper["total_steps"]
    steps.same(
        total=(total, hyper["epochs"] * hyper["steps_per_epoch"]),
        warmup=(hyper["warmup"], hyper["warmup_steps"]),
    )
    schedule = schedules.warmup_cosine(
        steps=total,
        warmup=hyper["warmup"],
        end=hyper["min_lr"] / hyper["lr"],
        inclusive=True,
    )
    decay = schedules.cosine(start=hyper["wd"], end=hyper["wd_end"], steps=total)
    begun = hyper["start"] * hyper["steps_per_epoch"]
    tables = choice(hyper, "no_wd_rel", {True: ("relative",), False: ()})
    tx = _adamw(
        case,
        schedule=steps.later(schedule, begun),
        weight_decay=steps.later(decay, begun),
        exclude=("rank_one", "cls_token", *tables),
    )
    network = {
        "positions": "none",
        "relative": "block",
        "qkv_bias": "qv",
        "layer_scale": 0.1,
        "pool": choice(hyper, "pool", {True: "mean", False: "cls"}),
    }
    return _run(case, network, tx, momentum=hyper["ema"])


def _adamw(case, *, schedule, weight_decay, exclude):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(case["optimizer"], "name", {"AdamW": optim.adamw})
    last = len(hyper["scales"]) - 1
    scales = [hyper["decay"] ** (last - i) for i in range(last + 1)]
    choice(hyper, "layers", {last: "MAE's count", last + 1: "BEiT's"})
    steps.same(
        lr=(given["lr"], hyper["lr"]),
        decay=(given["weight_decay"], hyper["wd"]),
        steps=(hyper["epochs_run"] * hyper["steps_per_epoch"], steps.count(case)),
        scales=(scales, hyper["scales"]),
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", weight_decay)
    steps.agree(case, "clip", hyper["clip"] or 0.0)
    b1, b2 = given["betas"]
    tx = optim.adamw(
        learning_rate=hyper["lr"],
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        weight_decay=weight_decay,
        exclude=exclude,
    )
    tx = optim.layer_decay(tx, decay=hyper["decay"])
    if hyper["clip"]:
        tx = optim.clipped(tx, norm=hyper["clip"], per="all")
    return tx


def _run(case, network, tx, momentum=None):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    batches = _batches(case)
    image = steps.first(batches)["views"][0]
    call = {"name": "vit", **_size(case["network"], stored), **network}
    options = {"model": call, "source": "torch", "inputs": [image]}
    method = methods.classifier(
        models.vit(**{k: v for k, v in call.items() if k != "name"}),
        classes=hyper["classes"],
    )
    params, extra = steps.blank(method, steps.first(batches))

    def read(arrays):
        head = {k: v for k, v in arrays.items() if k.startswith("head.")}
        body = {k: v for k, v in arrays.items() if k not in head}
        encoder, _, _ = convert.from_torch(body, prefix="", **options)
        classifier, _ = HEAD.read(head, {"classifier": params["classifier"]}, {})
        return {"encoder": encoder, **classifier}

    def write(tree):
        body = convert.to_torch(tree["encoder"], {}, **options)
        head = {k: v for k, v in stored.items() if k.startswith("head.")}
        return body | HEAD.write({"classifier": tree["classifier"]}, {}, head)

    if momentum is not None:
        after = memory.follows(("encoder", "classifier"), momentum=momentum)
        method = dataclasses.replace(method, after_update=after)
        extra = {**extra, "teacher": read(steps.initial(case, "ema"))}
        steps.agree(case, "momentum", momentum)
    metrics, state = steps.run(
        method,
        {"supervised": tx},
        batches,
        read(stored),
        extra,
        accumulate=hyper["accum"],
    )
    final = prefixed(write(state.params), "online/")
    if momentum is not None:
        final |= prefixed(write(state.extra["teacher"]), "ema/")
    return {"loss": metrics["supervised/loss"], "final": final}


def _size(network, stored):
    """The numbers of the network; the heads are only in its description."""
    found = [re.match(r"blocks\.(\d+)\.", name) for name in stored]
    kernel = stored["patch_embed.proj.weight"]
    return {
        "width": kernel.shape[0],
        "patch_size": kernel.shape[-1],
        "depth": 1 + max(int(match[1]) for match in found if match),
        "heads": int(re.search(r"\bnum_heads=(\d+)", network)[1]),
    }


def _batches(case):
    """Mixed images and soft targets; micro-batches as `train_step` deals them out."""
    hyper = case["hyper"]
    image, target = steps.inputs(case, "view0"), steps.inputs(case, "label")
    lead = 2 if hyper["accum"] > 1 else 1
    steps.same(
        batch=(image.shape[lead], hyper["batch"]),
        classes=(target.shape[-1], hyper["classes"]),
    )
    if lead == 2:
        steps.same(accumulate=(image.shape[1], hyper["accum"]))
        image, target = (x.reshape(len(x), -1, *x.shape[3:]) for x in (image, target))
    return {"views": (image,), "target": target}


TRAJECTORIES = {"mae_finetune": mae_finetune, "beit_finetune": beit_finetune}
UNDETERMINED = {
    "mae_finetune": {"*.attn.qkv.bias": "a key's bias shifts all logits of a query"}
}
NOT_READ = {
    "beit_finetune": {
        "hyper.warmup_lr": "parsed by the official code and never used",
        "hyper.warmup_epochs": "said in steps too",
    }
}
SKIPPED = {"beit_finetune": {"*relative_position_index": "a table of integers"}}
