"""SimMIM's pretraining step, with Swin and with ViT."""

from __future__ import annotations

import math
import re

import jax.numpy as jnp

from sslax import calls, convert, methods, optim, schedules
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import prefixed


def simmim(case):
    stored = steps.initial(case, "online")
    is_swin = "SwinTransformerForSimMIM(" in case["network"]
    networks = _networks(case["network"], stored, is_swin)
    patch = networks["encoder"]["patch_size"]
    method = methods.simmim(
        *(calls.build(networks[group], Net) for group in ("encoder", "decoder")),
        patch_size=patch,
    )
    batches = _batches(case, patch)
    image = steps.first(batches)["views"][0]
    named = _named(networks, image)
    _, extra = steps.blank(method, steps.first(batches))
    params = {
        group: convert.from_torch(_own(stored, start), prefix=start, **options)[0]
        for group, (start, options) in named.items()
    }
    metrics, state = steps.run(
        method,
        {"ssl": _optimizer(case, is_swin)},
        batches,
        params,
        extra,
        accumulate=case["hyper"]["accum"],
    )
    final = {k: v for k, v in stored.items() if re.search(r"_index$|attn_mask$", k)}
    for group, (start, options) in named.items():
        bare = start if group == "encoder" else ""
        final |= prefixed(convert.to_torch(state.params[group], {}, **options), bare)
    return {"loss": metrics["ssl/loss"], "final": prefixed(final, "online/")}


def _networks(network, stored, is_swin):
    """The calls of encoder and decoder; only numbers of heads and windows are texts."""

    def said(name, pattern=r"[\d.]+"):
        return re.search(rf"\b{name}[= ]({pattern})", network)[1]

    patches = stored["encoder.patch_embed.proj.weight"]
    size = {"width": patches.shape[0], "patch_size": patches.shape[-1]}
    if is_swin:
        heads = [int(n) for n in said("num_heads", r"\[.*?\]")[1:-1].split(",")]
        encoder = {
            "name": "swin",
            "depths": [
                _count(stored, rf"layers.{i}.blocks") for i in range(len(heads))
            ],
            "heads": heads,
            "window_size": int(said("window_size")),
            "masked": "token",
            "drop_path": float(said("drop_path_rate")),
            "output": "map",
        }
    else:
        encoder = {
            "name": "vit",
            "depth": _count(stored, "blocks"),
            "heads": int(said("num_heads")),
            "positions": "none",
            "relative": "shared",
            "qkv_bias": "qv",
            "layer_scale": float(said("init_values")),
            "mask_token": True,
            "drop_path": float(said("drop_path")),
            "output": "map",
        }
    ratios = "layers.0.blocks.0" if is_swin else "blocks.0"
    mlp = stored[f"encoder.{ratios}.mlp.fc1.weight"]
    stride = math.isqrt(stored["decoder.0.bias"].size // patches.shape[1])
    steps.same(stride=(stride, int(said("encoder_stride"))))
    return {
        "encoder": {**encoder, **size, "mlp_ratio": mlp.shape[0] / mlp.shape[1]},
        "decoder": {
            "name": "simmim_decoder",
            "patch_size": stride,
            "channels": patches.shape[1],
        },
    }


def _count(stored, blocks):
    found = [re.match(rf"encoder\.{re.escape(blocks)}\.(\d+)\.", k) for k in stored]
    return 1 + max(int(match[1]) for match in found if match)


def _own(arrays, start):
    """What stands behind a start; the decoder's table knows its own."""
    top = start or "decoder."
    return {name: x for name, x in arrays.items() if name.startswith(top)}


def _named(networks, image):
    """What stands before the names of each network, and how to read and write them."""
    stride = networks["decoder"]["patch_size"]
    b, h, w, _ = image.shape
    encoder, depth = networks["encoder"], len(networks["encoder"].get("depths", [0]))
    maps = jnp.zeros((b, h // stride, w // stride, encoder["width"] * 2 ** (depth - 1)))
    inputs = {"encoder": (image,), "decoder": (maps,)}
    return {
        group: (
            {"encoder": "encoder.", "decoder": ""}[group],
            {"model": networks[group], "source": "torch", "inputs": inputs[group]},
        )
        for group in networks
    }


def _batches(case, patch):
    """Views and masks, whose units are whole and of the right number."""
    hyper = case["hyper"]
    accumulate = hyper["accum"]
    arrays = steps.micro_batches(case, "view0", "mask", accumulate=accumulate)
    image, mask = arrays["view0"], arrays["mask"]
    steps.same(batch=(image.shape[1], hyper["batch"] * accumulate))
    side = hyper["mask_unit_px"] // patch
    units = mask[:, :, ::side, ::side]
    hidden = math.ceil(hyper["ratio"] * units[0, 0].size)
    steps.same(
        units=(units.repeat(side, 2).repeat(side, 3), mask),
        hidden=(units.sum(axis=(2, 3)), hidden),
    )
    return {"views": (image,), "mask": mask.astype(image.dtype)}


def _optimizer(case, is_swin):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"AdamW": optim.adamw})
    given = case["optimizer"]["args"]
    steps.same(
        lr=(given["lr"], hyper["lr"]),
        decay=(given["weight_decay"], hyper["wd"]),
        steps=(hyper["epochs_run"] * hyper["steps_per_epoch"], steps.count(case)),
    )
    schedule = _schedule(hyper)
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    steps.agree(case, "clip", hyper["clip"])
    b1, b2 = given["betas"]
    tx = optim.adamw(
        learning_rate=hyper["lr"],
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        weight_decay=hyper["wd"],
        exclude=("rank_one", "mask_token" if is_swin else "cls_token"),
    )
    return optim.clipped(tx, norm=hyper["clip"], per="all", running=True)


def _schedule(hyper):
    """What timm's schedule says of the micro-batch before each update.

    Before the first one it has been made and not moved, in whatever epoch a run starts.
    """
    each, peak = hyper["accum"], hyper["lr"]
    per_epoch = hyper["steps_per_epoch"] * each
    tails = {
        "cosine": lambda: schedules.cosine(
            start=1.0, end=hyper["min_lr"] / peak, steps=hyper["epochs"] * per_epoch
        ),
        "multistep": lambda: schedules.step_decay(
            boundaries=tuple(hyper["milestones"]), factor=hyper["gamma"], unit=per_epoch
        ),
    }
    start = hyper["warmup_lr"] / peak
    rate = schedules.warmed_up(
        schedule=choice(hyper, "schedule", tails)(),
        steps=hyper["warmup"] * per_epoch,
        start=start,
        end=1.0,
    )
    begun = hyper["start"] * per_epoch
    first = start if hyper["warmup"] else 1.0
    late = schedules.by_epoch(
        schedule=lambda t: jnp.where(t < begun, first, rate(t)),
        steps_per_epoch=1,
        first=begun - 1,
    )
    return lambda step: late(step * each)


TRAJECTORIES = {"simmim": simmim}
NOT_READ = {
    "simmim": {
        "hyper.min_lr": "stairs have no floor",
        "hyper.epochs": "and no end",
    }
}
UNDETERMINED = {
    "simmim": {"*.attn.qkv.bias": "a key's bias shifts all logits of a query"}
}
