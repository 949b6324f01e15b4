"""ConvMAE's pretraining step."""

from __future__ import annotations

import re

import numpy as np

from sslax import methods
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.mae import autoencoded, depth


def convmae(case):
    strides = tuple(case["hyper"]["strides"])
    networks = _networks(case, strides)
    return autoencoded(case, methods.convmae, networks, int(np.prod(strides)))


def _networks(case, strides):
    """The calls of the networks, of which the heads are only in the description."""
    stored = steps.initial(case, "online")
    heads = [int(count) for count in re.findall(r"(\d+) heads", case["network"])]
    widths = [len(stored[f"patch_embed{i}.proj.weight"]) for i in (1, 2, 3)]
    patch = int(np.prod(strides))
    encoder = {
        "name": "convmae_encoder",
        "widths": tuple(widths),
        "depths": tuple(depth(stored, f"blocks{i}") for i in (1, 2, 3)),
        "strides": strides,
        "heads": heads[0],
        "mlp_ratio": len(stored["blocks3.0.mlp.fc1.weight"]) / widths[2],
    }
    width = stored["mask_token"].shape[-1]
    decoder = {
        "name": "mae_decoder",
        "width": width,
        "depth": depth(stored, "decoder_blocks"),
        "heads": heads[1],
        "mlp_ratio": len(stored["decoder_blocks.0.mlp.fc1.weight"]) / width,
        "patch_size": patch,
        "class_token": False,
    }
    return {"encoder": encoder, "decoder": decoder}


TRAJECTORIES = {"convmae": convmae}
UNDETERMINED = {
    "convmae": {"*.attn.qkv.bias": "a key's bias shifts all logits of a query"}
}
