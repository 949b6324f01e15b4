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


def dino_head(sd):
    """DINO's and iBOT's names of the head -> params, with the scales."""
    flat = {}
    for i, source in enumerate(sorted(n for n in _layers(sd) if n[:4] == "mlp.")):
        flat |= layer(sd, source, f"linear{i + 1}")
    for source, target in (
        ("last_layer", "prototypes"),
        ("last_layer2", "patch_prototypes"),
    ):
        if f"{source}.weight_v" in sd:
            flat[f"{target}/kernel"] = sd[f"{source}.weight_v"].T
            flat[f"{target}/scale"] = sd[f"{source}.weight_g"][:, 0]
    return nest(flat)


def mae_decoder(sd):
    """MAE's names of the decoder -> params."""
    flat = blocks(sd, "decoder_blocks") | {"mask_token": sd["mask_token"]}
    for name in ("embed", "norm", "pred"):
        flat |= layer(sd, f"decoder_{name}", name)
    return nest(flat)


def alexnet(sd, *, side=6):
    """torchvision's names -> params, without the classifier's last layer."""
    convs = sorted(
        (n for n in _layers(sd) if n.startswith("features.")),
        key=lambda n: int(n.split(".")[1]),
    )
    flat = {}
    for i, source in enumerate(convs, start=1):
        flat |= layer(sd, source, f"conv{i}")
    flat |= layer(sd, "classifier.1", "fc6") | layer(sd, "classifier.4", "fc7")
    kernel = flat["fc6/kernel"]  # rows are (channel, row, column)
    kernel = kernel.reshape(-1, side, side, kernel.shape[-1]).transpose(1, 2, 0, 3)
    flat["fc6/kernel"] = kernel.reshape(-1, kernel.shape[-1])
    return nest(flat)
