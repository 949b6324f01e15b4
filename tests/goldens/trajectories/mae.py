"""MAE's pretraining step."""

from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np

from sslax import augment, calls, convert, methods, optim, schedules
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps


def mae(case):
    stored = steps.initial(case, "online")
    patch = stored["patch_embed.proj.weight"].shape[-1]
    networks = _networks(case["network"], stored, patch)
    return autoencoded(case, methods.mae, networks, patch)


def autoencoded(case, factory, networks, patch):
    """The steps of a method of an encoder and a decoder, given their calls."""
    nets = [calls.build(call, Net) for call in networks.values()]
    norm_pix = case["hyper"]["norm_pix"]
    method = factory(*nets, patch_size=patch, normalize_target=norm_pix)
    batches = batches_of(case)
    params, extra = steps.blank(method, steps.first(batches))
    stored = steps.initial(case, "online")
    named = _named(networks, stored, batches)
    params = {group: read(stored) for group, (read, _) in named.items()}
    metrics, state = steps.run(
        method,
        {"ssl": adamw(case)},
        batches,
        params,
        extra,
        accumulate=case["hyper"]["accum"],
    )
    final = {}
    for group, (_, write) in named.items():
        final |= write(state.params[group])
    return {
        "loss": metrics["ssl/loss"],
        "final": {f"online/{name}": value for name, value in final.items()},
    }


def depth(stored, blocks):
    """How many blocks have such a name."""
    numbers = [re.match(rf"{blocks}\.(\d+)\.", name) for name in stored]
    return 1 + max(int(found[1]) for found in numbers if found)


def _networks(network, stored, patch):
    """The calls of the networks, of which the heads are only in the description."""

    def size(name, token, blocks, heads):
        return {
            "name": name,
            "width": stored[token].shape[-1],
            "depth": depth(stored, blocks),
            "heads": int(re.search(rf"\b{heads}=(\d+)", network)[1]),
            "patch_size": patch,
        }

    return {
        "encoder": size("mae_encoder", "cls_token", "blocks", "num_heads"),
        "decoder": size(
            "mae_decoder", "mask_token", "decoder_blocks", "decoder_num_heads"
        ),
    }


def batches_of(case):
    """Views and masks, which are what the noise says."""
    hyper = case["hyper"]
    accumulate = hyper.get("accum", 1)
    names = ("view0", "noise", "keep", "restore", "mask")
    arrays = steps.micro_batches(case, *names, accumulate=accumulate)
    steps.same(batch=(arrays["view0"].shape[1], hyper["batch"] * accumulate))
    noise = arrays.pop("noise")
    flat = jnp.asarray(noise.reshape(-1, noise.shape[-1]))
    drawn = augment.mask_from_noise(flat, ratio=hyper["ratio"])
    for name, value in drawn._asdict().items():
        given = arrays[name].reshape(-1, arrays[name].shape[-1])
        if given.shape != value.shape or not np.allclose(given, value):
            raise ValueError(f"{name} is not what the noise says")
    return {"views": (arrays.pop("view0"),), **arrays}


def _named(networks, stored, batches):
    """How to read and write the parameters of each network by their names."""
    batch = steps.first(batches)
    image, keep = batch["views"][0], batch["keep"]
    shape = (len(keep), keep.shape[1] + ("cls_token" in stored))
    latents = jnp.zeros((*shape, stored["pos_embed"].shape[-1]))
    inputs = {"encoder": (image, keep), "decoder": (latents, batch["restore"])}

    def one(name):
        options = {
            "model": networks[name],
            "source": "torch",
            "inputs": inputs[name],
        }

        def read(arrays):
            return convert.from_torch(arrays, prefix="", **options)[0]

        return read, lambda params: convert.to_torch(params, {}, **options)

    return {name: one(name) for name in networks}


def adamw(case, **options):
    """AdamW at rates by parts of an epoch: MAE's, which its relatives took over."""
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"AdamW": optim.adamw})
    given = case["optimizer"]["args"]
    per_epoch = hyper["steps_per_epoch"]
    steps.same(
        lr=(given["lr"], hyper["lr"]),
        decay=(given["weight_decay"], hyper["wd"]),
        steps=(hyper["epochs_run"] * per_epoch, steps.count(case)),
    )
    schedule = schedules.warmup_cosine(
        steps=hyper["epochs"] * per_epoch,
        warmup=hyper["warmup"] * per_epoch,
        end=hyper["min_lr"] / hyper["lr"],
    )
    schedule = steps.later(schedule, hyper["start"] * per_epoch)
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    b1, b2 = given["betas"]
    return optim.adamw(
        learning_rate=hyper["lr"],
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        weight_decay=hyper["wd"],
        **options,
    )


TRAJECTORIES = {"mae": mae}
UNDETERMINED = {"mae": {"*.attn.qkv.bias": "a key's bias shifts all logits of a query"}}
