"""Which network of timm is one of ours, if any is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslax import models
from sslax.calls import nearest
from sslax.convert._released import call_of, family_of

__all__ = ["in_timm"]

# Arguments of ours that have a name in timm, where they differ from the size's own.
_NAMES = {
    "width": "embed_dim",
    "depth": "depth",
    "depths": "depths",
    "heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "window_size": "window_size",
}


def in_timm(
    model: str | Mapping[str, Any], *, image_size: int, channels: int = 3
) -> tuple[str, dict[str, Any]]:
    """The network of timm that computes the same features from the same weights.

    Args:
      model: a name or a call, as in `from_torch`.
      image_size: side of the images.
      channels: of the images.

    Returns:
      The name of an architecture and its arguments: with `to_torch` of the weights
      `timm.create_model(name, num_classes=0, **arguments)` is this network.

    Raises:
      ValueError: if there is none; the message says which arguments it is for.

    Example:
      >>> in_timm({"name": "vit_small", "patch_size": 8, "pool": "mean"}, image_size=32)
      ('vit_small_patch16_224', {'img_size': 32, 'patch_size': 8, 'global_pool': 'avg'})
      >>> in_timm({"name": "resnet50"}, image_size=224)
      ('resnet50', {})
    """
    call, _ = call_of(model)
    known = call["name"] in models.__all__
    family, options = family_of(call) if known else (call["name"], {})
    if family not in _FAMILIES:
        raise ValueError(
            f"timm has no network that is {family!r}: {nearest(family, _FAMILIES)}"
        )
    output = options["output"]
    main = output if isinstance(output, str) else output[0]
    _check(call, {**options, "output": main}, output="pooled")
    name, arguments = _FAMILIES[family](call, options, image_size)
    return name, arguments | ({} if channels == 3 else {"in_chans": channels})


def _resnet(call, options, side):
    del side
    _check(call, options, width=1, stride_on="3x3", selective=None, bn_eps=1e-5)
    kinds = {("imagenet", "conv"): "", ("deep", "pool"): "d"}
    kind = options["stem"], options["shortcut"]
    if kind not in kinds:
        raise ValueError(
            f"timm has no resnet with stem={kind[0]!r} and shortcut={kind[1]!r}: it "
            "has 'imagenet' with 'conv', and 'deep' with 'pool'"
        )
    return f"resnet{options['depth']}{kinds[kind]}", {}


def _vit(call, options, side):
    if options["relative"] is not None or options["qkv_bias"] == "qv":
        return _beit(call, options, side)
    if options["pool"] == "cls":
        _check(call, options, class_token=True)
    patch = 14 if options["size"] in ("huge", "giant") else 16
    arguments = _sized(options, side)
    pool = {"mean": "avg", "map": "map", "cls": "token"}[options["pool"]]
    for name, ours, usual in (
        ("class_token", options["class_token"], True),
        ("qkv_bias", options["qkv_bias"], True),
        ("init_values", options["layer_scale"], None),
        ("pos_embed", "none" if options["positions"] == "none" else "learn", "learn"),
        ("act_layer", options["activation"], "gelu"),
        ("global_pool", pool, "token"),
    ):
        arguments |= {} if ours == usual else {name: ours}
    return f"vit_{options['size']}_patch{patch}_224", arguments


def _beit(call, options, side):
    _check(call, options, class_token=True, activation="gelu")
    if options["pool"] == "map":
        _check(call, options, pool="mean")
    if options["size"] not in ("base", "large") or options["qkv_bias"] is True:
        raise ValueError(
            f"timm has no network that is {dict(call)}: with relative positions it has "
            "size='base' and 'large', and qkv_bias='qv' or False"
        )
    arguments = _sized(options, side) | {
        "qkv_bias": options["qkv_bias"] == "qv",
        "init_values": options["layer_scale"],
        "use_abs_pos_emb": options["positions"] != "none",
        "use_rel_pos_bias": options["relative"] == "block",
        "use_shared_rel_pos_bias": options["relative"] == "shared",
        "global_pool": "avg" if options["pool"] == "mean" else "token",
    }
    return f"beit_{options['size']}_patch16_224", arguments


def _swin(call, options, side):
    _check(call, options, norm_eps=1e-5)
    if options["image_size"] not in (None, side):
        _check(call, options, image_size=None)
    arguments = _sized(options, side)
    if not options["qkv_bias"]:
        arguments["qkv_bias"] = False
    return f"swin_{options['size']}_patch4_window7_224", arguments


def _sized(options, side) -> dict[str, Any]:
    given = {
        theirs: list(value) if isinstance(value, list | tuple) else value
        for ours, theirs in _NAMES.items()
        if (value := options.get(ours)) is not None
    }
    return {"img_size": side, "patch_size": options["patch_size"], **given}


def _check(call, options, **wanted) -> None:
    """Raises where an argument is not the one that timm has."""
    for name, value in wanted.items():
        if options[name] != value:
            raise ValueError(
                f"timm has no network that is {call['name']} with "
                f"{name}={options[name]!r}: it has {name}={value!r}"
            )


_FAMILIES = {"resnet": _resnet, "swin": _swin, "vit": _vit}
