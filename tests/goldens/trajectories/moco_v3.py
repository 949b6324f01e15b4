"""MoCo v3's training step, of a ResNet's kind and of a transformer's."""

from __future__ import annotations

import re

import numpy as np
import optax

from sslax import methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

_POSITIONS = ".pos_embed"
_BLOCK = {"norm1": "norm1", "norm2": "norm2", "mlp.fc1": "fc1", "mlp.fc2": "fc2"}
_BLOCK |= {"attn.qkv": "attn/qkv", "attn.proj": "attn/proj"}


def moco_v3(case):
    """The averages stand after the optimizer here, and before the keys there.

    So the teacher is loaded one average ahead, and compared one average back.
    """
    stored = {group: steps.initial(case, group) for group in ("online", "teacher")}
    given = {group: _without_positions(stored[group], case) for group in stored}
    momentum = _momentum(case)
    method, batches = _method(case, given["online"], momentum), _batches(case)
    names = _names(case["hyper"])
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = names.read(given["online"], params, extra["stats"])
    behind, teacher_stats = names.read(
        given["teacher"], extra["teacher"], extra["teacher_stats"]
    )
    extra = {
        "stats": stats,
        "teacher": steps.ahead(behind, params, momentum(0)),
        "teacher_stats": teacher_stats,
    }
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    back = steps.behind(state, momentum(steps.count(case)))
    final = {
        "online": names.write(state.params, state.extra["stats"], given["online"]),
        "teacher": names.write(back, state.extra["teacher_stats"], given["teacher"]),
        **_buffers(case, state, names, given["online"]),
    }
    for group, arrays in stored.items():
        final[group] |= {k: v for k, v in arrays.items() if k.endswith(_POSITIONS)}
    return {
        "loss": metrics["ssl/loss"],
        "final": {
            name: value
            for group, values in final.items()
            for name, value in prefixed(values, f"{group}/").items()
        },
    }


def _names(hyper):
    """Sequences count their layers: linear, norm, ReLU."""
    encoder = {name: name for name in ("conv1", "bn1", "conv2", "bn2", "norm")}
    encoder["patch_embed.proj"] = "patch_embed"
    for i in range(hyper["depth"] if hyper["vit"] else 0):
        encoder |= {f"blocks.{i}.{k}": f"blocks_{i}/{v}" for k, v in _BLOCK.items()}
    kinds = enumerate(("linear", "bn"))
    head = {3 * i + j: f"{k}{i + 1}" for j, k in kinds for i in range(3)}
    layers = {f"predictor.{i}": f"predictor/{name}" for i, name in head.items()}
    for net in ("base_encoder", "momentum_encoder"):
        layers |= {net: "encoder"}  # the class token
        layers |= {f"{net}.{k}": f"encoder/{v}" for k, v in encoder.items()}
        for start in ("fc", "head"):
            layers |= {f"{net}.{start}.{i}": f"projector/{n}" for i, n in head.items()}
    return Names(layers)


def _without_positions(arrays, case):
    """What is trained; the fixed table must be that of the encoder."""
    for name, table in arrays.items():
        if name.endswith(_POSITIONS):
            side = round((table.shape[1] - 1) ** 0.5)
            options = {"height": side, "width": side, "dim": table.shape[2]}
            ours = models.sincos_positions(**options, first="row")
            if not np.allclose(table[0], ours, atol=1e-6):
                raise ValueError(f"{name} of {case['file']} is not the table of rows")
    return {k: v for k, v in arrays.items() if not k.endswith(_POSITIONS)}


def _encoder(case, online):
    hyper = case["hyper"]
    frozen = hyper["stop_grad_conv1"]
    if not hyper["vit"]:
        kernels = [v for v in online.values() if v.ndim == 4]
        widths = [kernel.shape[0] for kernel in kernels]
        return models.convnet(widths=widths, strides=(2,) * len(widths))
    patches = online["base_encoder.patch_embed.proj.weight"]
    hidden = online["base_encoder.blocks.0.mlp.fc1.weight"]
    return models.vit(
        width=patches.shape[0],
        depth=hyper["depth"],
        heads=int(re.search(r"\bheads=(\d+)", case["network"])[1]),
        mlp_ratio=hidden.shape[0] / hidden.shape[1],
        patch_size=patches.shape[-1],
        positions="sincos_row",
        freeze_patches=frozen,
    )


def _method(case, online, momentum):
    """Transformers have a layer more in the projector, and a norm behind."""
    hyper = case["hyper"]
    steps.agree(case, "temperature", hyper["temperature"])
    return methods.moco_v3(
        _encoder(case, online),
        hidden=hyper["mlp_width"],
        dim=hyper["dim"],
        depth=3 if hyper["vit"] else 2,
        predictor_norm=hyper["vit"],
        momentum=momentum,
        temperature=hyper["temperature"],
    )


def _momentum(case):
    hyper, count = case["hyper"], steps.count(case)
    start, total = hyper["momentum"], hyper["epochs"] * hyper["steps_per_epoch"]
    schedule = schedules.constant(value=start)
    if hyper["momentum_cosine"]:
        schedule = schedules.cosine(start=start, end=1.0, steps=total)
    steps.agree(case, "momentum", schedule)
    steps.same(after=(hyper[f"momentum_of_step_{count}"], float(schedule(count))))
    return schedule


def _batches(case):
    views = tuple(steps.inputs(case, f"view{i}") for i in (0, 1))
    steps.same(batch=(case["hyper"]["batch"], views[0].shape[1]))
    return {"views": views}


def _optimizer(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    per_epoch, decay = hyper["steps_per_epoch"], hyper["weight_decay"]
    schedule = schedules.warmup_cosine(
        steps=hyper["epochs"] * per_epoch, warmup=hyper["warmup_epochs"] * per_epoch
    )
    steps.same(lr=(given["lr"], hyper["peak_lr"]), decay=(given["weight_decay"], decay))
    steps.agree(case, "lr", lambda k: hyper["peak_lr"] * schedule(k))
    steps.agree(case, "weight_decay", decay)
    options = {"learning_rate": hyper["peak_lr"], "weight_decay": decay}
    options["schedule"] = schedule
    kinds = {"torch.optim.AdamW": "adamw", "moco.optimizer.LARS": "lars"}
    kind = choice(case["optimizer"], "name", kinds)
    if kind != hyper["optimizer"]:
        raise ValueError(f"the optimizer is {kind} and {hyper['optimizer']}")
    if kind == "lars":
        steps.same(momentum=(given["momentum"], hyper["sgd_momentum"]))
        options |= {"momentum": given["momentum"], "trust": given["trust_coefficient"]}
        tx = optim.lars_byol(**options)
    else:
        tx = optim.adamw(**options, exclude="none")
    frozen = hyper["vit"] and hyper["stop_grad_conv1"]
    return optim.frozen(tx, match=("patch_embed",)) if frozen else tx


def _buffers(case, state, names, like):
    """What the optimizer keeps, under torch's names."""
    if case["hyper"]["optimizer"] == "lars":
        return {"opt/mu": names.write(steps.buffers(state), {}, like)}
    count = optax.tree_utils.tree_get_all_with_path(state.opt["ssl"], "count")
    moments = {
        theirs: names.write(steps.buffers(state, kept=ours), {}, like)
        for theirs, ours in (("exp_avg", "mu"), ("exp_avg_sq", "nu"))
    }
    return {
        **prefixed(moments, "opt/"),
        "opt/step": dict.fromkeys(moments["exp_avg"], count[0][1]),
    }


TRAJECTORIES = {"moco_v3": moco_v3}
NOT_READ = {"moco_v3": {"hyper.sgd_momentum": "AdamW has none"}}
UNDETERMINED = {
    "moco_v3": {
        f"{net}.{part}": reason  # the moments themselves are compared
        for net in ("base_encoder", "momentum_encoder")
        for part, reason in {
            "*.attn.qkv.bias": "a key's bias shifts all logits of a query",
            "norm.bias": "it goes through batch norm, which takes it away",
            "head.1.running_mean": "the mean of what that bias has shifted",
        }.items()
    }
}
