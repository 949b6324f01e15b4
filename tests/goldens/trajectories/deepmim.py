"""DeepMIM's pretraining step, with the features of CLIP."""

from __future__ import annotations

import inspect
import re

import jax.numpy as jnp

from sslax import calls, convert, methods
from sslax.core import Net
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.mae import adamw, batches_of, depth

# After the sixth block and so on, and at the end, as the code has it.
TAPS = inspect.signature(methods.deepmim).parameters["taps"].default


def deepmim(case):
    stored = {name: steps.initial(case, name) for name in ("online", "teacher")}
    networks = _networks(case, **stored)
    batches = batches_of(case)
    decoder = {k: v for k, v in networks["decoder"].items() if k != "patch_size"}
    decoder |= {"name": "deep_mim_decoder", "taps": len(TAPS)}
    method = methods.deepmim(
        calls.build(networks["encoder"], Net),
        calls.build(decoder, Net),
        patch_size=networks["encoder"]["patch_size"],
        teacher=calls.build(networks["teacher"], Net),
        normalized="imagenet",
        teacher_normalized="clip",
    )
    _, extra = steps.blank(method, steps.first(batches))
    named = _named(networks, steps.first(batches))
    own, decoders = _apart(stored["online"])
    params = {
        "encoder": _read(named["encoder"], own),
        "decoder": {
            f"decoder{i}": _read(named["decoder"], arrays)
            for i, arrays in enumerate(decoders)
        },
    }
    teacher = _read(named["teacher"], stored["teacher"])
    extra |= {"teacher": {"encoder": teacher}}
    metrics, state = steps.run(
        method,
        {"ssl": adamw(case)},
        batches,
        params,
        extra,
        accumulate=case["hyper"]["accum"],
    )
    final = convert.to_torch(state.params["encoder"], {}, **named["encoder"])
    for i in range(len(TAPS)):
        one = state.params["decoder"][f"decoder{i}"]
        one = convert.to_torch(one, {}, **named["decoder"])
        final |= {_NUMBERED.sub(rf"\g<1>{i + 1}", name): x for name, x in one.items()}
    parts = {f"loss{i}": metrics[f"ssl/{tap}"] for i, tap in enumerate(TAPS, start=1)}
    return {
        "loss": metrics["ssl/loss"],
        **parts,
        "final": {f"online/{name}": value for name, value in final.items()},
    }


# The layers that every decoder has; the table of positions is one for all.
_NUMBERED = re.compile(r"^(decoder_(?:embed|blocks|norm|pred)|mask_token)(\d*)(?=\.|$)")


def _apart(online):
    """Arrays of the encoder, and of each decoder under names without its number."""
    own, decoders = {}, [{} for _ in TAPS]
    for name, value in online.items():
        match = _NUMBERED.match(name)
        if match:
            one = decoders[int(match[2]) - 1]
            one[_NUMBERED.sub(r"\g<1>", name)] = value
        elif name == "decoder_pos_embed":
            for one in decoders:
                one[name] = value
        else:
            own[name] = value
    return own, decoders


def _networks(case, online, teacher):
    """The calls of the networks, of which the heads are only in the description."""

    def said(name):
        return int(re.search(rf"\b{name}=(\d+)", case["network"])[1])

    encoder = {
        "name": "mae_encoder",
        "width": online["cls_token"].shape[-1],
        "depth": depth(online, "blocks"),
        "heads": said("num_heads"),
        "patch_size": online["patch_embed.proj.weight"].shape[-1],
        "output": ("tokens", *TAPS[:-1]),
    }
    width = online["mask_token1"].shape[-1]
    decoder = {
        "name": "mae_decoder",
        "dim": len(online["decoder_pred1.weight"]),
        "width": width,
        "depth": depth(online, "decoder_blocks1"),
        "heads": said("decoder_num_heads"),
        "mlp_ratio": len(online["decoder_blocks1.0.mlp.fc1.weight"]) / width,
    }
    seer = {
        "name": "clip_vit",
        "dim": teacher["proj"].shape[1],
        "width": teacher["proj"].shape[0],
        "depth": depth(teacher, r"transformer\.resblocks"),
        "heads": said("heads"),
        "patch_size": teacher["conv1.weight"].shape[-1],
        "output": "tokens",
    }
    return {"encoder": encoder, "decoder": decoder, "teacher": seer}


def _named(networks, batch):
    """How to read and write the parameters of each network by their names."""
    image, keep = batch["views"][0], batch["keep"]
    shape = (len(keep), 1 + keep.shape[1], networks["encoder"]["width"])
    inputs = {
        "encoder": (image, keep),
        "decoder": (jnp.zeros(shape), batch["restore"]),
        "teacher": (image,),
    }
    return {
        name: {"model": call, "source": "torch", "inputs": inputs[name]}
        for name, call in networks.items()
    }


def _read(options, arrays):
    return convert.from_torch(arrays, prefix="", **options)[0]


TRAJECTORIES = {"deepmim": deepmim}
UNDETERMINED = {
    "deepmim": {"*.attn.qkv.bias": "a key's bias shifts all logits of a query"}
}
