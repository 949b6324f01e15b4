"""Stored torch state dicts as parameters of sslax nets.

All maps are differentiable, so that gradients come out under the torch names.
"""

from __future__ import annotations

import re

import jax

from sslax import calls, convert
from sslax.core import Net


def state_dict(arrays, prefix="sd"):
    """The arrays of one network, under their torch names."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start): jax.device_put(arrays[name])
        for name in arrays
        if name.startswith(start)
    }


def released(sd, model, *inputs):
    """(params, stats) of the network that a call means, from its authors' names."""
    params, stats, _ = convert.from_torch(
        sd, model=model, source="torch", inputs=inputs, prefix="", strict=False
    )
    return params, stats


def apply(model, sd, *inputs, rest=()):
    """The output of the network that a call means; `rest` are inputs that may be left.

    The names of its weights in the state dict are those of its authors.
    """
    params, stats = released(sd, model, *inputs)
    return calls.build(model, Net).apply(params, stats, *inputs, *rest)[0]


def classify(sd, features, name):
    """The linear layer `name` of a state dict."""
    model = {"name": "linear", "dim": sd[f"{name}.weight"].shape[0]}
    prefix = f"{name}."
    inner = {k.removeprefix(prefix): v for k, v in sd.items() if k.startswith(prefix)}
    return apply(model, inner, features)


def nest(flat):
    """{"a/b": x} as {"a": {"b": x}}."""
    tree = {}
    for name, value in flat.items():
        *path, last = name.split("/")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return tree


def layer(sd, source, target):
    """One linear, convolution or norm layer: {target/kernel: ...}."""
    weight = sd[f"{source}.weight"]
    kind, value = {
        1: ("scale", lambda: weight),
        2: ("kernel", lambda: weight.T),
        4: ("kernel", lambda: weight.transpose(2, 3, 1, 0)),
    }[weight.ndim]
    flat = {f"{target}/{kind}": value()}
    if f"{source}.bias" in sd:
        flat[f"{target}/bias"] = sd[f"{source}.bias"]
    return flat


def _layers(sd):
    return sorted({name.rpartition(".")[0] for name in sd if name.endswith(".weight")})


def blocks(sd, prefix="blocks"):
    """Transformer blocks `{prefix}.i...` of timm -> {"blocks_i/...": ...}."""
    flat = {}
    for source in _layers(sd):
        match = re.match(rf"{re.escape(prefix)}\.(\d+)\.(.*)", source)
        if match:
            inner = match[2].removeprefix("mlp.").replace(".", "/")
            flat |= layer(sd, source, f"blocks_{match[1]}/{inner}")
    for name, value in sd.items():
        match = re.match(rf"{re.escape(prefix)}\.(\d+)\.(.*)", name)
        kind = _BLOCK_PARAMETERS.get(match[2]) if match else None
        if kind is not None:
            flat[f"blocks_{match[1]}/{kind}"] = value
    return flat


_BLOCK_PARAMETERS = {
    "ls1.gamma": "ls1",
    "ls2.gamma": "ls2",
    "gamma_1": "ls1",
    "gamma_2": "ls2",
    "attn.q_bias": "attn/q_bias",
    "attn.v_bias": "attn/v_bias",
    "attn.relative_position_bias_table": "attn/relative/table",
}


def vit(sd, *, learned=True):
    """timm's, MAE's and DINO's names of a ViT -> params, without the classifier."""
    flat = blocks(sd) | layer(sd, "patch_embed.proj", "patch_embed")
    for norm in ("norm", "fc_norm"):
        if f"{norm}.weight" in sd:
            flat |= layer(sd, norm, norm)
    for token in ("cls_token", "mask_token", *(("pos_embed",) if learned else ())):
        if token in sd:
            flat[token] = sd[token]
    if "masked_embed" in sd:
        flat["mask_token"] = sd["masked_embed"][None]
    if "rel_pos_bias.relative_position_bias_table" in sd:
        flat["relative/table"] = sd["rel_pos_bias.relative_position_bias_table"]
    return nest(flat)
