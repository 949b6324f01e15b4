"""iBOT's training step."""

from __future__ import annotations

import re

import jax.numpy as jnp

from sslax import calls, methods, optim, schedules
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.dino import read, write
from tests.goldens.trajectories.names import prefixed


def ibot(case):
    hyper = case["hyper"]
    stored = {k: steps.initial(case, k) for k in ("student", "teacher")}
    views = steps.views(case)
    masks = tuple(steps.inputs(case, f"mask{i}") for i in (0, 1))
    batches = {"views": views, "mask": masks}
    steps.same(
        crops=(2 + hyper["local"], len(views)),
        batch=(hyper["batch"], views[0].shape[1]),
        steps=(hyper["epochs_run"] * hyper["steps_per_epoch"], steps.count(case)),
        total=(hyper["epochs"] * hyper["steps_per_epoch"], hyper["total_steps"]),
    )
    encoder = _encoder(case, stored["student"])
    method = _method(case, encoder)
    own, its = (_named(case, encoder, views[0][0], teacher=t) for t in (False, True))
    params, extra = steps.blank(method, steps.first(batches))
    params = read(own, _single(stored["student"], hyper["shared"]))
    centres = {k: case["arrays"][f"init/centre/{k}"] for k in ("center", "center2")}
    extra |= {
        "teacher": read(its, _single(stored["teacher"], shared=True)),
        "centre": centres["center"].reshape(-1),
        "patch_centre": centres["center2"].reshape(-1),
    }
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    student = _double(write(own, state.params), hyper["shared"])
    teacher = _double(write(its, state.extra["teacher"]), shared=True)
    return {
        "loss": metrics["ssl/loss"],
        "loss_cls": hyper["l1"] * metrics["ssl/tokens"],
        "loss_patch": hyper["l2"] * metrics["ssl/patches"],
        "final": {
            "centre/center": state.extra["centre"][None],
            "centre/center2": state.extra["patch_centre"][None, None],
            **prefixed(student, "student/"),
            **prefixed(teacher, "teacher/"),
        },
    }


def _encoder(case, student):
    """The call of the student's encoder; only its heads are not in the arrays."""
    blocks = [re.match(r"backbone\.blocks\.(\d+)\.", name) for name in student]
    width = student["backbone.cls_token"].shape[-1]
    return {
        "name": "vit",
        "width": width,
        "depth": 1 + max(int(found[1]) for found in blocks if found),
        "heads": int(re.search(r"\bnum_heads=(\d+)", case["network"])[1]),
        "mlp_ratio": student["backbone.blocks.0.mlp.fc1.weight"].shape[0] / width,
        "patch_size": student["backbone.patch_embed.proj.weight"].shape[-1],
        "mask_token": True,
        "resize": "factor",
        "output": ("pooled", "map"),
    }


def _sizes(case):
    """Widths of the head, which stand in the arrays."""
    student = steps.initial(case, "student")
    bottleneck = student["head.last_layer.weight_v"].shape[1]
    return {"hidden": len(student["head.mlp.0.weight"]), "bottleneck": bottleneck}


def _method(case, encoder):
    hyper = case["hyper"]
    first, per_epoch = hyper["start"], hyper["steps_per_epoch"]
    momentum = _later(
        hyper, schedules.cosine(start=hyper["m"], end=1.0, steps=hyper["total_steps"])
    )
    sharpness = _temperature(hyper, hyper["t"], 0)
    patch_sharpness = _temperature(hyper, hyper["t2"], hyper["mim_start"])
    steps.agree(case, "momentum", momentum)
    steps.agree(case, "temperature", sharpness)
    steps.agree(case, "temperature_patch", patch_sharpness)
    return methods.ibot(
        calls.build(encoder, Net),
        dim=hyper["out_dim"],
        shared=hyper["shared"],
        with_gain=not hyper["norm_last"],
        momentum=momentum,
        student_temperature=hyper["student_temperature"],
        teacher_temperature=sharpness,
        patch_temperature=patch_sharpness,
        centre_momentum=hyper["center_momentum"],
        class_weight=hyper["l1"],
        patch_weight=hyper["l2"],
        masked_from=max(hyper["mim_start"] - first, 0) * per_epoch,
        **_sizes(case),
    )


def _later(hyper, schedule):
    """As it goes on from the first epoch of the case."""
    return steps.later(schedule, hyper["start"] * hyper["steps_per_epoch"])


def _temperature(hyper, ends, delay):
    """A line whose last epoch of warm-up has the end already, unless it is the only."""
    start, end = ends
    warm = hyper["t_epochs"]
    if warm == 0 and delay == 0:
        return schedules.constant(value=end)
    line = schedules.ramp(start=start, end=end, steps=max(warm - 1, 1), delay=delay)
    by_epoch = schedules.by_epoch(
        schedule=line, steps_per_epoch=hyper["steps_per_epoch"]
    )
    return _later(hyper, by_epoch)


def _named(case, encoder, image, *, teacher):
    """How to read and write the parameters of each network by their names."""
    hyper = case["hyper"]
    shared = teacher or hyper["shared"]
    head = {
        "name": "dino_head",
        "dim": hyper["out_dim"],
        "patch_dim": 0 if shared else hyper["out_dim"],
        "with_gain": not hyper["norm_last"],
        **_sizes(case),
    }
    tokens = jnp.zeros((len(image), 2, encoder["width"]))
    calls_ = {"encoder": {**encoder, "mask_token": not teacher}, "head": head}
    inputs, starts = {"encoder": (image,), "head": (tokens,)}, {"encoder": "backbone."}
    return {
        group: {
            "model": call,
            "source": "torch",
            "inputs": inputs[group],
            "start": starts.get(group, f"{group}."),
        }
        for group, call in calls_.items()
    }


_LAST = "head.last_layer."
_SECOND = "head.last_layer2."


def _single(arrays, shared):
    """One name for a last layer that is stored under two."""
    if not shared:
        return arrays
    twice = {name: x for name, x in arrays.items() if name.startswith(_SECOND)}
    steps.same(**{k: (x, arrays[k.replace(_SECOND, _LAST)]) for k, x in twice.items()})
    return {name: x for name, x in arrays.items() if name not in twice}


def _double(arrays, shared):
    """The inverse of `_single`."""
    if not shared:
        return arrays
    again = {
        name.replace(_LAST, _SECOND): x
        for name, x in arrays.items()
        if name.startswith(_LAST)
    }
    return {**arrays, **again}


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"AdamW": optim.adamw})
    given = case["optimizer"]["args"]
    per_epoch, total = hyper["steps_per_epoch"], hyper["total_steps"]
    steps.same(
        lr=(given["lr"], hyper["lr"]),
        decay=(list(given["weight_decay"]), [hyper["wd"], hyper["wd_end"]]),
    )
    schedule = schedules.warmup_cosine(
        steps=total,
        warmup=hyper["warmup"] * per_epoch,
        end=hyper["min_lr"] / hyper["lr"],
        inclusive=True,
    )
    schedule = _later(hyper, schedule)
    decay = schedules.cosine(start=hyper["wd"], end=hyper["wd_end"], steps=total)
    decay = _later(hyper, decay)
    resting = max(hyper["freeze"] - hyper["start"], 0) * per_epoch
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", decay)
    steps.agree(case, "clip", hyper["clip"])
    steps.agree(case, "last_layer_frozen", lambda k: (k < resting) * 1.0)
    b1, b2 = given["betas"]
    tx = optim.adamw(
        learning_rate=hyper["lr"],
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        weight_decay=decay,
    )
    tx = optim.frozen(tx, match=("prototypes",), steps=resting)
    return optim.clipped(tx, norm=hyper["clip"]) if hyper["clip"] else tx


TRAJECTORIES = {"ibot": ibot}
_REASON = "a key's bias shifts all logits of a query"
UNDETERMINED = {
    "ibot": {f"{group}/*.attn.qkv.bias": _REASON for group in ("student", "teacher")}
}
