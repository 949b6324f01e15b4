"""Names of released networks as calls of `sslax.models`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from sslax import models
from sslax.calls import nearest

__all__ = ["call_of", "family_of", "input_of"]

_DEPTH = r"(?P<size>18|34|50|101|152|200)"
_SIZE = r"(?P<size>tiny|small|base|large|huge|giant)"
_PATCH = r"_patch(?P<patch_size>\d+)"
_IMAGE = r"(_(?P<image>\d+))?"
_WINDOW = r"_patch(?P<patch_size>\d+)_window(?P<window_size>\d+)"
_BEIT = {"positions": "none", "qkv_bias": "qv", "layer_scale": 0.1}
_SIGLIP = {"class_token": False, "pool": "map"}
_SIGLIP |= {"activation": "gelu_tanh", "init": "big_vision"}
_BEIT_PRETRAINING = {**_BEIT, "relative": "shared", "mask_token": True}


def _of_clip(start: str, own: dict[str, Any]):
    """Names of CLIP's transformers, by who trained them."""
    image, text = {"name": "clip_vit", **own}, {"name": "clip_text", **own}
    large = {"dim": 768, "width": 1024, "depth": 24, "heads": 16}
    yield rf"{start}_vit_(?P<size>base){_PATCH}", image, f"{start}_vit_base_patch16"
    name, example = (
        rf"{start}_vit_(?P<size>large){_PATCH}",
        f"{start}_vit_large_patch14",
    )
    yield name, image | large, example
    yield rf"{start}_text_(?P<size>base)", text, f"{start}_text_base"
    large = {"dim": 768, "width": 768, "heads": 12}
    yield rf"{start}_text_(?P<size>large)", text | large, f"{start}_text_large"


# Pattern of the name, the call, an example. Groups of the pattern are arguments, save
# `size`, which fills in the name, and `image`, the side of the image (224).
RELEASED: tuple[tuple[str, dict[str, Any], str], ...] = (
    (rf"resnet{_DEPTH}", {"name": "resnet{size}"}, "resnet50"),
    (
        rf"resnet{_DEPTH}d",
        {"name": "resnet{size}", "stem": "deep", "shortcut": "pool"},
        "resnet50d",
    ),
    (
        rf"(vit|deit)_{_SIZE}{_PATCH}{_IMAGE}",
        {"name": "vit_{size}"},
        "vit_small_patch16_224",
    ),
    (
        rf"beit_{_SIZE}{_PATCH}{_IMAGE}",
        {"name": "vit_{size}", **_BEIT, "relative": "block", "pool": "mean"},
        "beit_base_patch16_224",
    ),
    (
        rf"beit_{_SIZE}{_PATCH}{_IMAGE}_8k_vocab",
        {"name": "vit_{size}", **_BEIT_PRETRAINING},
        "beit_base_patch16_224_8k_vocab",
    ),
    (
        rf"mae_vit_{_SIZE}{_PATCH}",
        {"name": "vit_{size}", "positions": "sincos", "init": "xavier"},
        "mae_vit_base_patch16",
    ),
    (
        rf"dino_vit_{_SIZE}{_PATCH}",
        {"name": "vit_{size}", "resize": "factor"},
        "dino_vit_small_patch16",
    ),
    (
        rf"ibot_vit_{_SIZE}{_PATCH}",
        {"name": "vit_{size}", "resize": "factor"},
        "ibot_vit_small_patch16",
    ),
    (
        rf"mocov3_vit_(?P<size>small){_PATCH}",
        {
            "name": "vit_{size}",
            "heads": 12,
            "positions": "sincos_row",
            "init": "xavier_qkv",
        },
        "mocov3_vit_small_patch16",
    ),
    (
        rf"mocov3_vit_(?P<size>base){_PATCH}",
        {"name": "vit_{size}", "positions": "sincos_row", "init": "xavier_qkv"},
        "mocov3_vit_base_patch16",
    ),
    (
        rf"simmim_vit_{_SIZE}{_PATCH}",
        {"name": "vit_{size}", **_BEIT_PRETRAINING},
        "simmim_vit_base_patch16",
    ),
    (
        rf"swin_{_SIZE}{_WINDOW}{_IMAGE}",
        {"name": "swin_{size}"},
        "swin_tiny_patch4_window7_224",
    ),
    (
        rf"simmim_swin_{_SIZE}{_WINDOW}{_IMAGE}",
        {"name": "swin_{size}", "masked": "token"},
        "simmim_swin_base_patch4_window6_192",
    ),
    *_of_clip("clip", {}),
    *_of_clip("openclip", {"activation": "gelu"}),
    (r"clip_resnet(?P<size>50)", {"name": "clip_resnet"}, "clip_resnet50"),
    (
        r"clip_resnet(?P<size>101)",
        {"name": "clip_resnet", "dim": 512, "stages": (3, 4, 23, 3)},
        "clip_resnet101",
    ),
    (
        r"clip_resnet(?P<size>50)x4_(?P<image>288)",
        {"name": "clip_resnet", "dim": 640, "stages": (4, 6, 10, 6), "width": 80},
        "clip_resnet50x4_288",
    ),
    (
        rf"vit_(?P<size>base|large){_PATCH}_siglip{_IMAGE}",
        {"name": "vit_{size}", **_SIGLIP},
        "vit_base_patch16_siglip_224",
    ),
    (r"siglip_text_(?P<size>base)", {"name": "siglip_text"}, "siglip_text_base"),
    (
        r"siglip_text_(?P<size>large)",
        {"name": "siglip_text", "dim": 1024, "width": 1024, "depth": 24, "heads": 16},
        "siglip_text_large",
    ),
    (r"convmae_(?P<size>base)", {"name": "convmae_encoder"}, "convmae_base"),
)


# Factories that call another with some arguments of their own.
_IN_OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("mlp", {"depth": 1, "norm": None}),
    "mae_encoder": ("vit", {"positions": "sincos"}),
}


def call_of(model: str | Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The call that makes a network, and the side of its images.

    Args:
      model: the call itself, the name of a function of `sslax.models`, or a name that
        timm or a paper's code gives to a network; what follows a dot is left aside.

    Raises:
      ValueError: an unknown name.
    """
    if isinstance(model, Mapping):
        return dict(model), 224
    name = model.partition(".")[0]
    for pattern, call, _ in RELEASED:
        match = re.fullmatch(pattern, name)
        if match:
            groups = {k: v for k, v in match.groupdict().items() if v is not None}
            image, size = int(groups.pop("image", 224)), groups.pop("size")
            numbers = {k: int(v) for k, v in groups.items()}
            return {**call, "name": call["name"].format(size=size), **numbers}, image
    if name in models.__all__:
        return {"name": name}, 224
    known = [example for *_, example in RELEASED]
    raise ValueError(
        f"no model {model!r}: {nearest(model, known)}; other sizes likewise, and every "
        'network of sslax.models as a call: {"name": "vit_base", "patch_size": 32}'
    )


def input_of(call: Mapping[str, Any], side: int) -> jax.ShapeDtypeStruct:
    """What a network reads: an image, or a text.

    Args:
      call: the call that makes it.
      side: of the image, in pixels.

    Returns:
      `[1 side side 3]`; of the released decoder of DALL-E, words in place of pixels; of
      transformers of texts, int32 `[1 context]`.
    """
    if call == {"name": "dalle_decoder"}:
        return jax.ShapeDtypeStruct((1, side // 8, side // 8, 8192), jnp.float32)
    if call["name"] in ("clip_text", "siglip_text"):
        return jax.ShapeDtypeStruct((1, family_of(call)[1]["context"]), jnp.int32)
    return jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)


def family_of(call: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The factory that a call ends in, and all its arguments, defaults included."""
    name = call["name"]
    factory = getattr(models, name)
    last = getattr(factory, "func", factory).__name__
    family, given = _IN_OTHERS.get(name, (last, getattr(factory, "keywords", {})))
    parameters = inspect.signature(getattr(models, family)).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    arguments = {k: v for k, v in call.items() if k != "name"}
    return family, {**defaults, **given, **arguments}
