"""LocalMIM's pretraining step, with ViT and with Swin."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np

from sslax import calls, convert, methods, models
from sslax.core import Net
from tests.goldens import torch_names_mim
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.mae import adamw, batches_of
from tests.goldens.trajectories.names import prefixed

# What is stored and not trained: filters of the histograms, places of windows.
_FIXED = re.compile(r"hog_enc\.|pos_embed$|_index$|attn_mask$")


def localmim(case):
    stored = steps.initial(case, "online")
    network = case["network"]
    is_swin = "MaskedAutoencoderSwin(" in network
    if "hog_bias=True" in network:
        raise ValueError("gradients of histograms with a random bias are not followed")
    patch = (_part(stored, "patch_embed.proj.weight")).shape[-1]
    made = (_swin if is_swin else _vit)(case, stored)
    nets = [calls.build(made[name], Net) for name in ("encoder", "decoder")]
    method = methods.localmim(*nets, patch_size=patch, **made["method"])
    batches = _shared_masks(case) if is_swin else batches_of(case)
    read = _reader(made["encoder"], stored, steps.first(batches)["views"][0], is_swin)
    _, extra = steps.blank(method, steps.first(batches))
    tables = ("relative", "mask_token") if is_swin else ()
    metrics, state = steps.run(
        method,
        {"ssl": adamw(case, exclude=("rank_one", *tables))},
        batches,
        read(stored),
        extra,
        accumulate=case["hyper"].get("accum", 1),
    )
    # To read is to reorder numbers, so its transpose writes them back.
    trained = {name: x for name, x in stored.items() if not _FIXED.search(name)}
    (final,) = jax.jit(lambda x: jax.vjp(read, trained)[1](x))(state.params)
    final |= {name: x for name, x in stored.items() if _FIXED.search(name)}
    return {"loss": metrics["ssl/loss"], "final": prefixed(final, "online/")}


def _part(stored, name):
    return stored[next(key for key in stored if key.endswith(name))]


def _said(network, name, pattern=r"\d+"):
    return re.search(rf"\b{name}=({pattern})", network)[1]


def _decoder(case, stored, **options):
    """Widths and lengths of the predictions are those of the arrays."""
    taps = len({key.split(".")[1] for key in stored if key.startswith("decoder.")})
    biases = [
        [
            x
            for key, x in stored.items()
            if re.match(rf"decoder\.{i}\.pred\..*bias$", key)
        ]
        for i in range(taps)
    ]
    for i in range(taps):
        _check_positions(stored[f"decoder.{i}.pos_embed"])
    return {
        "name": "local_mim_decoder",
        "dim": [own[-1].size for own in biases],
        "width": [stored[f"decoder.{i}.mask_token"].size for i in range(taps)],
        "depth": int(_said(case["network"], "decoder_depth")),
        "heads": int(_said(case["network"], "decoder_num_heads")),
        **options,
    }


def _check_positions(table):
    """Fails unless a stored table is that of fixed positions."""
    count, width = table.shape[1:]
    side = int(count**0.5)
    own = models.sincos_positions(
        height=side, width=side, dim=width, class_token=count > side * side
    )
    if not np.allclose(table[0], own, atol=1e-6):
        raise ValueError("the decoder's positions are not the fixed ones")


def _vit(case, stored):
    network = case["network"]
    depth, width = int(_said(network, "depth")), stored["cls_token"].shape[-1]
    taps = [f"block{i}" for i in (1, 3, depth - 3, depth - 1)]
    patch, bins = stored["patch_embed.proj.weight"].shape[-1], case["hyper"]["bins"]
    steps.same(bins=(bins, int(_said(network, "hog_nbins"))))
    scales = (4, 2, 1, 0.5)
    return {
        "encoder": {
            "name": "vit",
            "width": width,
            "depth": depth,
            "heads": int(_said(network, "num_heads")),
            "mlp_ratio": int(_said(network, "mlp_ratio")),
            "patch_size": patch,
            "positions": "sincos",
            "init": "xavier",
            "output": ["map", *dict.fromkeys(taps)],
        },
        "decoder": _decoder(case, stored, scales=scales),
        "method": {
            "taps": taps,
            "bins": bins,
            "cells": [int(patch / scale) for scale in scales],
        },
    }


def _swin(case, stored):
    network = case["network"]
    depths, heads = (
        [int(n) for n in re.findall(r"\d+", _said(network, name, r"\[.*?\]"))]
        for name in ("depths", "num_heads")
    )
    stages = len(depths)
    taps = [*(f"merged{i}" for i in range(1, stages)), f"stage{stages}"]
    patches = stored["encoder.patch_embed.proj.weight"]
    decoder = _decoder(case, stored, scales=(1,) * stages, class_token=False)
    cells = [int((dim // patches.shape[1]) ** 0.5) for dim in decoder["dim"]]
    if _said(network, "target", r"'\w+'") != "'Pixel'":
        raise ValueError("only pixels are known as the target of Swin")
    return {
        "encoder": {
            "name": "swin",
            "width": patches.shape[0],
            "depths": depths,
            "heads": heads,
            "window_size": int(_said(network, "window_size")),
            "patch_size": patches.shape[-1],
            "masked": "hidden",
            "norm_eps": 1e-6,
            "output": ["map", *taps],
        },
        "decoder": decoder,
        "method": {
            "taps": taps,
            "target": "pixels",
            "cells": cells,
            "normalize_target": _said(network, "norm_pix_loss", r"\w+") == "True",
        },
    }


def _reader(encoder, stored, image, is_swin):
    """Parameters by their names, and by the numbers alone of what they are."""
    start = "encoder." if is_swin else ""
    width = encoder["width"] * 2 ** (len(encoder.get("depths", [0])) - 1)
    unused = {
        "scale": jnp.ones(width, image.dtype),
        "bias": jnp.zeros(width, image.dtype),
    }

    def read(arrays):
        own = {k: v for k, v in arrays.items() if k.startswith(start)}
        params, _, _ = convert.from_torch(
            {k: v for k, v in own.items() if not re.match(rf"{start}norm\.", k)},
            model=encoder,
            source="torch",
            inputs=(image,),
            prefix=start,
            strict=False,
        )
        for i in range(1, len(encoder.get("depths", [0]))):
            params[f"merge{i}"] = _by_columns(params[f"merge{i}"])
        taps = {k.removeprefix(start): v for k, v in own.items() if ".norm." in f".{k}"}
        taps |= {k: v for k, v in arrays.items() if k.startswith("decoder.")}
        decoder = torch_names_mim.local_mim_decoder(taps)
        return {"encoder": {**params, "norm": unused}, "decoder": decoder}

    _check_positions(stored["pos_embed"]) if "pos_embed" in stored else None
    return read


def _by_columns(merge):
    """The four places of a square by columns, which are stored by rows."""

    def turned(x):
        first, second, third, fourth = jnp.split(x, 4)
        return jnp.concatenate([first, third, second, fourth])

    norm = {name: turned(x) for name, x in merge["norm"].items()}
    return {"norm": norm, "reduction": {"kernel": turned(merge["reduction"]["kernel"])}}


def _shared_masks(case):
    """One mask for the batch, of whole cells, on the grid of the patches."""
    hyper = case["hyper"]
    accumulate = hyper.get("accum", 1)
    arrays = steps.micro_batches(case, "view0", "mask", accumulate=accumulate)
    image, mask = arrays["view0"], arrays["mask"]
    steps.same(batch=(image.shape[1], hyper["batch"] * accumulate))
    order = steps.inputs(case, "permutation")
    if accumulate == 1:
        hidden = order <= int(hyper["ratio"] * order.shape[-1])
        steps.same(mask=(mask, hidden.reshape(-1, 1, *mask.shape[2:])))
    grid = image.shape[2] // _part(case["arrays"], "patch_embed.proj.weight").shape[-1]
    times = grid // mask.shape[2]
    return {"views": (image,), "mask": mask.repeat(times, 2).repeat(times, 3)}


TRAJECTORIES = {"localmim": localmim}
_REASON = "a key's bias shifts all logits of a query"
UNDETERMINED = {"localmim": {"*.attn.qkv.bias": _REASON}}
