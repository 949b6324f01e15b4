"""CPC v2's training steps, with a probe beside them."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sslax import augment, methods, models, optim, schedules
from sslax.core import Aux, Objective
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

PATCH = 8  # every 4 pixels
GROUPS = ("encoder", "target", "context0", "predictor0")
LAYERS = {"0": "narrow", "3": "row", "5": "above", "7": "wide"}
PROBE = {"probe/0": "probe/bn", "probe/1": "probe/linear"}


def cpc_v2(case):
    hyper = case["hyper"]
    parts = ("encoder", "context", "heads", "probe")
    stored = {}
    for part in parts:
        stored |= prefixed(steps.initial(case, part), f"{part}/")
    encoder = models.convnet(
        widths=[len(stored[f"encoder/conv{i}.weight"]) for i in (1, 2)],
        strides=(2, 2),
        norm="none",
    )
    context = models.cpc_context(
        hidden=len(stored["context/0.0.bias"]), blocks=hyper["blocks"]
    )
    method = methods.cpc_v2(
        encoder,
        context,
        dim=len(stored["heads/z2target.bias"]),
        steps=hyper["predict"],
        first=hyper["ignore"],
        scale=hyper["scale"],
        directions=1,
    )
    method = _probed(method, stored["probe/1.weight"].shape)
    batches = _batches(case)
    params, extra = steps.blank(method, steps.first(batches))
    names, flat = _names(hyper), _joined(stored, hyper["predict"])
    stats = {**extra["stats"], "probe": {"batch_stats": {"bn": extra["probe_norm"]}}}
    params, stats = names.read(flat, params, stats)
    extra = {
        "stats": {k: stats[k] for k in GROUPS},
        "teacher": {"encoder": params["encoder"]},
        "teacher_stats": extra["teacher_stats"],
        "probe_norm": stats["probe"]["batch_stats"]["bn"],
    }
    metrics, state = steps.run(method, _optimizers(case), batches, params, extra)
    stats = {"probe": {"batch_stats": {"bn": state.extra["probe_norm"]}}}
    final = names.write(state.params, stats, flat)
    return {
        "loss": metrics["ssl/loss"],
        "probe_loss": metrics["probe/loss"],
        "final": _split(final, stored),
    }


def _probed(method, shape):
    """A linear layer behind batch norm reads the codes before they move."""
    classes, width = shape

    def init(key, batch):
        params, extra = method.init(key, batch)
        one, zero = jnp.ones(width), jnp.zeros(width)
        linear = {"kernel": jnp.zeros((width, classes)), "bias": jnp.zeros(classes)}
        probe = {"bn": {"scale": one}, "linear": linear}
        norm = {"mean": zero, "var": one}
        return {**params, "probe": probe}, {**extra, "probe_norm": norm}

    def loss(params, extra, batch, *, key, step):
        del step
        now = {**extra, "teacher": {"encoder": params["encoder"]}}
        x = method.outputs["features"](params, now, batch, key=key)
        x = jax.lax.stop_gradient(x)
        mean, var, count = x.mean(0), x.var(0), len(x)
        kept = extra["probe_norm"]
        kept = {
            "mean": 0.9 * kept["mean"] + 0.1 * mean,
            "var": 0.9 * kept["var"] + 0.1 * var * count / (count - 1),
        }
        own = params["probe"]
        x = (x - mean[None]) / jnp.sqrt(var + 1e-5)[None] * own["bn"]["scale"][None]
        logits = x @ own["linear"]["kernel"] + own["linear"]["bias"][None]
        values = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        return values.mean(), Aux({**extra, "probe_norm": kept})

    ssl = dataclasses.replace(method.objectives["ssl"], wrt=GROUPS)
    probe = Objective(loss=loss, wrt=("probe",))
    return dataclasses.replace(
        method, init=init, objectives={"probe": probe, "ssl": ssl}
    )


def _names(hyper):
    return Names(
        {f"encoder/conv{i}": f"encoder/conv{i}" for i in (1, 2)}
        | {
            f"context/{block}.{theirs}": f"context0/{ours}{block + 1}"
            for block in range(hyper["blocks"])
            for theirs, ours in LAYERS.items()
        }
        | {"heads/z2target": "target/linear1", "heads/ctx2pred": "predictor0/linear1"}
        | PROBE
    )


def _joined(stored, count):
    """Convolutions of the grid as matrices, and predictions as one head."""
    out = {}
    for name, value in stored.items():
        if value.ndim == 4 and not name.startswith("encoder/"):
            value = value.transpose(0, 2, 3, 1).reshape(len(value), -1)
        out[name] = value
    for leaf in ("weight", "bias"):
        heads = [out.pop(f"heads/ctx2pred.{j}.{leaf}") for j in range(count)]
        out[f"heads/ctx2pred.{leaf}"] = np.concatenate(heads)
    return out


def _split(final, stored):
    """The inverse of `_joined`."""
    final = dict(final)
    for leaf in ("weight", "bias"):
        whole, start = final.pop(f"heads/ctx2pred.{leaf}"), "heads/ctx2pred."
        count = sum(name.startswith(start) and name.endswith(leaf) for name in stored)
        for j, part in enumerate(jnp.split(whole, count)):
            final[f"{start}{j}.{leaf}"] = part
    for name, value in final.items():
        like = stored[name]
        if value.ndim == 2 and like.ndim == 4:
            out, channels, rows, columns = like.shape
            value = value.reshape(out, rows, columns, channels)
            final[name] = value.transpose(0, 3, 1, 2)
    return final


def _batches(case):
    hyper, image = case["hyper"], steps.inputs(case, "view0")
    steps.same(batch=(image.shape[1], hyper["batch"]), steps=(len(image), hyper["K"]))
    cut = [
        augment.patch_grid(jnp.asarray(x), size=PATCH, stride=PATCH // 2) for x in image
    ]
    return {"views": (np.stack(cut),), "label": steps.inputs(case, "label")}


def _optimizers(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(
        case["optimizer"],
        "name",
        {"torch.optim.Adam x2 (self-supervised, probe)": optim.adam},
    )
    b1, b2 = given["betas"]
    steps.same(
        lr=(given["lr"], hyper["lr"]),
        b1=(b1, hyper["beta1"]),
        decay=(given["weight_decay"], hyper["wd"]),
    )
    schedule = schedules.by_epoch(
        schedule=schedules.warmup_cosine(steps=hyper["epochs"]),
        steps_per_epoch=hyper["per_epoch"],
    )
    for name in ("lr", "lr_probe"):
        steps.agree(case, name, lambda k: hyper["lr"] * schedule(k))
    rate = {"learning_rate": hyper["lr"], "schedule": schedule}
    options = {**rate, "b1": b1, "b2": b2, "eps": given["eps"]}
    return {
        "probe": optim.adam(**options),
        "ssl": optim.adam(**options, weight_decay=hyper["wd"]),
    }


TRAJECTORIES = {"cpc_v2": cpc_v2}
