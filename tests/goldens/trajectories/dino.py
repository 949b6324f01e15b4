"""DINO's training step."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sslax import calls, convert, methods, optim, schedules
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import prefixed


def dino(case):
    hyper = case["hyper"]
    stored = {k: steps.initial(case, k) for k in ("student", "teacher")}
    networks = _networks(case, stored["student"])
    batches = {"views": steps.views(case)}
    image = batches["views"][0][0]
    steps.same(
        crops=(2 + hyper["local_crops"], len(batches["views"])),
        batch=(hyper["batch"], len(image)),
    )
    method = _method(case, networks["encoder"])
    named = _named(networks, image)
    params, extra = steps.blank(method, steps.first(batches))
    params = read(named, stored["student"])
    extra |= {
        "teacher": read(named, stored["teacher"]),
        "centre": case["arrays"]["init/centre/center"][0],
    }
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    return {
        "loss": metrics["ssl/loss"],
        "final": {
            "centre/center": state.extra["centre"][None],
            **prefixed(write(named, state.params), "student/"),
            **prefixed(write(named, state.extra["teacher"]), "teacher/"),
            **_moments(named, state),
        },
    }


def _networks(case, student):
    """The calls of encoder and head; only the heads of attention are not in arrays."""
    hyper = case["hyper"]
    blocks = [re.match(r"backbone\.blocks\.(\d+)\.", name) for name in student]
    depth = 1 + max(int(found[1]) for found in blocks if found)
    steps.same(depth=(depth, hyper["depth"]))
    width = student["backbone.cls_token"].shape[-1]
    encoder = {
        "name": "vit",
        "width": width,
        "depth": depth,
        "heads": int(re.search(r"\bnum_heads=(\d+)", case["network"])[1]),
        "mlp_ratio": student["backbone.blocks.0.mlp.fc1.weight"].shape[0] / width,
        "patch_size": student["backbone.patch_embed.proj.weight"].shape[-1],
        "resize": "factor",
    }
    head = {
        "name": "dino_head",
        "dim": hyper["prototypes"],
        "hidden": hyper["hidden_width"],
        "bottleneck": hyper["bottleneck"],
        "with_gain": not hyper["norm_last_layer"],
    }
    return {"encoder": encoder, "head": head}


def _method(case, encoder):
    hyper = case["hyper"]
    momentum = schedules.cosine(start=hyper["momentum"], end=1.0, steps=_length(hyper))
    temperature = _teacher_temperature(hyper)
    steps.agree(case, "momentum", momentum)
    steps.agree(case, "teacher_temperature", temperature)
    steps.agree(case, "student_temperature", hyper["student_temperature"])
    return methods.dino(
        calls.build(encoder, Net),
        dim=hyper["prototypes"],
        hidden=hyper["hidden_width"],
        bottleneck=hyper["bottleneck"],
        with_gain=not hyper["norm_last_layer"],
        momentum=momentum,
        student_temperature=hyper["student_temperature"],
        teacher_temperature=temperature,
        centre_momentum=hyper["centre_momentum"],
    )


def _length(hyper):
    return hyper["epochs"] * hyper["steps_per_epoch"]


def _teacher_temperature(hyper):
    """A line whose last epoch of warm-up has the end already, unless it is the only."""
    start, end = hyper["teacher_temperature_start"], hyper["teacher_temperature"]
    warm = hyper["teacher_temperature_epochs"]
    if warm == 0:
        return schedules.constant(value=end)
    line = schedules.ramp(start=start, end=end, steps=max(warm - 1, 1))
    return schedules.by_epoch(schedule=line, steps_per_epoch=hyper["steps_per_epoch"])


def _named(networks, image):
    """How to read and write the parameters of each network by their names."""
    features = jnp.zeros((len(image), networks["encoder"]["width"]))
    inputs = {"encoder": (image,), "head": (features,)}
    return {
        group: {
            "model": networks[group],
            "source": "torch",
            "inputs": inputs[group],
            "start": start,
        }
        for group, start in (("encoder", "backbone."), ("head", "head."))
    }


def read(named, arrays):
    def one(start, **options):
        own = {k: v for k, v in arrays.items() if k.startswith(start)}
        return convert.from_torch(own, prefix=start, **options)[0]

    return {group: one(**options) for group, options in named.items()}


def write(named, params):
    out = {}
    for group, options in named.items():
        call = {k: v for k, v in options.items() if k != "start"}
        own = convert.to_torch(params[group], {}, **call)
        out |= prefixed(own, options["start"])
    return out


def _moments(named, state):
    """Adam's, and the steps that each tensor has had."""
    return {
        **prefixed(write(named, steps.buffers(state, kept="mu")), "opt/exp_avg/"),
        **prefixed(write(named, steps.buffers(state, kept="nu")), "opt/exp_avg_sq/"),
        **prefixed(_counts(named, state.opt["ssl"]), "opt/step/"),
    }


def _counts(named, opt):
    def is_adam(node):
        return isinstance(node, optax.ScaleByAdamState)

    def everywhere(adam):
        return jax.tree.map(lambda x: np.full(x.shape, adam.count, x.dtype), adam.mu)

    found = [x for x in jax.tree.leaves(opt, is_leaf=is_adam) if is_adam(x)]
    counts = write(named, steps.merged([everywhere(adam) for adam in found]))
    return {name: count.reshape(-1)[0] for name, count in counts.items()}


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"torch.optim.AdamW": optim.adamw})
    given = case["optimizer"]["args"]
    peak, per_epoch = hyper["peak_lr"], hyper["steps_per_epoch"]
    steps.same(lr=(hyper["lr"] * hyper["batch"] / 256, peak))
    schedule = schedules.warmup_cosine(
        steps=_length(hyper),
        warmup=hyper["warmup_epochs"] * per_epoch,
        end=hyper["min_lr"] / peak,
        inclusive=True,
    )
    decay = schedules.cosine(
        start=hyper["weight_decay_start"],
        end=hyper["weight_decay_end"],
        steps=_length(hyper),
    )
    steps.agree(case, "lr", lambda k: peak * schedule(k))
    steps.agree(case, "weight_decay", decay)
    b1, b2 = given["betas"]
    tx = optim.adamw(
        learning_rate=peak,
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        weight_decay=decay,
    )
    tx = optim.frozen(
        tx,
        match=("prototypes",),
        steps=hyper["freeze_last_layer_epochs"] * per_epoch,
    )
    largest = hyper["clip_per_tensor"]
    return optim.clipped(tx, norm=largest) if largest else tx


TRAJECTORIES = {"dino": dino}
_REASON = "a key's bias shifts all logits of a query"
UNDETERMINED = {
    "dino": {
        f"{group}/*.attn.qkv.bias": _REASON
        for group in ("student", "teacher", "opt/exp_avg", "opt/exp_avg_sq")
    }
}
