"""Stored torch state dicts as parameters of sslax nets.

All maps are differentiable, so that gradients come out under the torch names.
"""

from __future__ import annotations

import re

import jax.numpy as jnp


def state_dict(arrays, prefix="sd"):
    """The arrays of one network, under their torch names."""
    start = f"{prefix}/"
    return {
        k.removeprefix(start): jnp.asarray(v)
        for k, v in arrays.items()
        if k.startswith(start)
    }


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


def _resnet_layer(source):
    source = source.replace("downsample.0", "shortcut_conv")
    source = source.replace("downsample.1", "shortcut_bn")
    return re.sub(r"^layer(\d)\.(\d+)\.", r"layer\1_\2/", source)


def _layers(sd):
    return sorted({name.rpartition(".")[0] for name in sd if name.endswith(".weight")})


def resnet(sd):
    """torchvision's names -> (params, stats), without the classifier."""
    params, stats = {}, {}
    for source in _layers(sd):
        target = _resnet_layer(source)
        if target == "fc":
            continue
        params |= layer(sd, source, target)
        if f"{source}.running_mean" in sd:
            stats[f"{target}/mean"] = sd[f"{source}.running_mean"]
            stats[f"{target}/var"] = sd[f"{source}.running_var"]
    return nest(params), {"batch_stats": nest(stats)}


def resnet_buffers(sd, stats):
    """Running statistics back under torchvision's names."""
    out = {}
    for name in sd:
        source, _, kind = name.rpartition(".")
        if kind in ("running_mean", "running_var"):
            node = stats["batch_stats"]
            for part in _resnet_layer(source).split("/"):
                node = node[part]
            out[name] = node[kind.removeprefix("running_")]
    return out


def blocks(sd, prefix="blocks"):
    """Transformer blocks `{prefix}.i...` of timm -> {"blocks_i/...": ...}."""
    flat = {}
    for source in _layers(sd):
        match = re.match(rf"{re.escape(prefix)}\.(\d+)\.(.*)", source)
        if match:
            inner = match[2].removeprefix("mlp.").replace(".", "/")
            flat |= layer(sd, source, f"blocks_{match[1]}/{inner}")
    for name, value in sd.items():
        match = re.match(rf"{re.escape(prefix)}\.(\d+)\.(ls\d)\.gamma", name)
        if match:
            flat[f"blocks_{match[1]}/{match[2]}"] = value
    return flat


def vit(sd, *, learned=True):
    """timm's, MAE's and DINO's names of a ViT -> params, without the classifier."""
    flat = blocks(sd) | layer(sd, "patch_embed.proj", "patch_embed")
    for norm in ("norm", "fc_norm"):
        if f"{norm}.weight" in sd:
            flat |= layer(sd, norm, norm)
    for token in ("cls_token", *(("pos_embed",) if learned else ())):
        if token in sd:
            flat[token] = sd[token]
    return nest(flat)


def mae_decoder(sd):
    """MAE's names of the decoder -> params."""
    flat = blocks(sd, "decoder_blocks") | {"mask_token": sd["mask_token"]}
    for name in ("embed", "norm", "pred"):
        flat |= layer(sd, f"decoder_{name}", name)
    return nest(flat)
