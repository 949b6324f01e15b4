"""Stored torch state dicts of masked image models as parameters of sslax nets."""

from __future__ import annotations

import re

from tests.goldens.torch_names import blocks, layer, nest


def inner(sd, prefix):
    """The entries below a prefix, without it."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in sd.items() if k.startswith(start)}


def linear_layer(sd, source, target):
    """A linear layer, or a 1x1 convolution as one."""
    flat = layer(sd, source, target)
    kernel = flat.get(f"{target}/kernel")
    if kernel is not None and kernel.ndim == 4:
        flat[f"{target}/kernel"] = kernel[0, 0]
    return flat


def transposed_layer(sd, source, target):
    """A transposed convolution: [in out k k] -> [k k in out]."""
    return {
        f"{target}/kernel": sd[f"{source}.weight"].transpose(2, 3, 0, 1),
        f"{target}/bias": sd[f"{source}.bias"],
    }


def local_mim_decoder(sd):
    """LocalMIM's names -> params: the taps' norms and the decoders."""
    count = len({k.split(".")[1] for k in sd if k.startswith("decoder.")})
    trees = {}
    for i in range(count):
        own = inner(sd, f"decoder.{i}")
        flat = blocks(own) | {"mask_token": own["mask_token"]}
        flat |= layer(own, "embed", "embed") | layer(own, "norm", "norm")
        flat |= layer(sd, f"norm.{i}", "input_norm")
        heads = sorted(k for k in own if re.match(r"pred(\.\d+)?\.weight", k))
        *ups, last = (name.removesuffix(".weight") for name in heads)
        flat |= linear_layer(own, last, "pred")
        number = 0
        for source in ups:
            if own[f"{source}.weight"].ndim == 1:
                flat |= layer(own, source, "up_norm")
                continue
            number += 1
            flat |= transposed_layer(own, source, f"up{number}")
        trees[f"decoder{i}"] = nest(flat)
    return trees


def deep_mim_decoder(sd):
    """DeepMIM's names -> params."""
    count = sum(name.startswith("mask_token") for name in sd)
    trees = {}
    for i in range(1, count + 1):
        flat = blocks(sd, f"decoder_blocks{i}")
        flat["mask_token"] = sd[f"mask_token{i}"]
        for name in ("embed", "norm", "pred"):
            flat |= layer(sd, f"decoder_{name}{i}", name)
        trees[f"decoder{i - 1}"] = nest(flat)
    return trees


def dvae(sd):
    """DALL-E's names of the encoder or decoder -> params."""
    flat = {}
    for name, weight in sd.items():
        if not name.endswith(".w"):
            continue
        source = name.removesuffix(".w")
        target = source.removeprefix("blocks.").replace("output.conv", "output")
        target = re.sub(r"group_(\d)\.block_(\d+)\.", r"group\1_\2/", target)
        target = target.replace("id_path", "identity").replace("res_path.conv_", "conv")
        flat[f"{target}/kernel"] = weight.transpose(2, 3, 1, 0)
        flat[f"{target}/bias"] = sd[f"{source}.b"]
    return nest(flat)


def discrete_vae(sd):
    """BEiT's names of its small discrete VAE -> params of encoder and decoder."""
    trees = []
    for part, first in (("encoder", layer), ("decoder", transposed_layer)):
        own, flat = inner(sd, part), {}
        numbers = sorted({int(k.split(".")[0]) for k in own})
        for i in numbers[:-1]:
            if f"{i}.0.weight" in own:
                prefix = "conv" if part == "encoder" else "up"
                flat |= first(own, f"{i}.0", f"{prefix}{i // 2 + 1}")
            else:
                for j, source in enumerate((0, 2, 4), start=1):
                    target = f"block{i // 2 + 1}/conv{j}"
                    flat |= layer(own, f"{i}.net.{source}", target)
        flat |= layer(own, f"{numbers[-1]}", "output")
        trees.append(flat)
    trees[1]["codebook/kernel"] = sd["codebook.weight"]
    return tuple(nest(flat) for flat in trees)
