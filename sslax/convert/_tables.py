"""What the arrays of every family are called in PyTorch: one table a family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from sslax.calls import nearest
from sslax.convert._clip_tables import (
    clip_resnet,
    clip_text,
    clip_vit,
    siglip_text,
)
from sslax.convert._head_tables import dino_head, mlp
from sslax.convert._names import (
    BUFFERS,
    MAP,
    POINTWISE,
    ROW,
    SAME,
    Table,
)
from sslax.convert._word_tables import dalle, dvae_decoder, dvae_encoder
from sslax.models import sincos_positions

__all__ = ["table_of"]

_HEADS = (
    r"(head|head_dist|fc|classifier|lm_head|projector|predictor|projection_head"
    r"|prototypes)(\..*)?",
)
_DECODERS = (r"decoder\w*(\..*)?", r"mask_token|masked_embed")
_BACKBONE = BUFFERS + _HEADS + _DECODERS


def _resnet(options, source, sizes, arrays):
    del source, sizes, arrays
    block = "layer{i}_{j}", "layer{i}.{j}"
    places = (0, 1) if options["shortcut"] == "conv" else (1, 2)
    stem = (("conv1", "conv1"), ("bn1", "bn1"))
    if options["stem"] == "deep":
        stem = (
            *((f"conv{i}", f"conv1.{n}") for i, n in ((1, 0), (2, 3), (3, 6))),
            *((f"bn{i}", name) for i, name in ((1, "conv1.1"), (2, "conv1.4"))),
            ("bn3", "bn1"),
        )
    return Table(
        layers=(
            *stem,
            (f"{block[0]}/conv{{k}}", f"{block[1]}.conv{{k}}"),
            (f"{block[0]}/bn{{k}}", f"{block[1]}.bn{{k}}"),
            (f"{block[0]}/shortcut_conv", f"{block[1]}.downsample.{places[0]}"),
            (f"{block[0]}/shortcut_bn", f"{block[1]}.downsample.{places[1]}"),
        ),
        left_out=BUFFERS + _HEADS,
    )


def _block(ours, theirs):
    """The layers of a pre-norm transformer block."""
    return (
        (f"{ours}/norm{{n}}", f"{theirs}.norm{{n}}"),
        (f"{ours}/attn/qkv", f"{theirs}.attn.qkv"),
        (f"{ours}/attn/proj", f"{theirs}.attn.proj"),
        (f"{ours}/fc{{n}}", f"{theirs}.mlp.fc{{n}}"),
    )


_RELATIVE = "relative_position_bias_table"


def _vit(options, source, sizes, arrays):
    """timm's names, which MAE, DINO, iBOT and MoCo v3 share, or BEiT's."""
    beit = options["relative"] is not None or options["qkv_bias"] == "qv"
    ours, theirs = "blocks_{i}", "blocks.{i}"
    token = ("mask_token", SAME) if beit else ("masked_embed", ROW)
    scale = "gamma_{n}" if beit else "ls{n}.gamma"
    return Table(
        layers=(
            ("patch_embed", "patch_embed.proj"),
            ("norm", "norm"),
            ("fc_norm", "fc_norm"),
            *((f"pool/{x}", f"attn_pool.{x}") for x in ("q", "kv", "proj", "norm")),
            ("pool/fc{n}", "attn_pool.mlp.fc{n}"),
            *_block(ours, theirs),
        ),
        arrays=(
            ("pool/probe", "attn_pool.latent", SAME),
            ("cls_token", "cls_token", SAME),
            ("pos_embed", "pos_embed", SAME),
            # timm's networks have no mask token.
            ("mask_token", *((None, SAME) if source == "timm" else token)),
            (f"{ours}/ls{{n}}", f"{theirs}.{scale}", SAME),
            (f"{ours}/attn/q_bias", f"{theirs}.attn.q_bias", SAME),
            (f"{ours}/attn/v_bias", f"{theirs}.attn.v_bias", SAME),
            ("relative/table", f"rel_pos_bias.{_RELATIVE}", SAME),
            # Fine-tuning starts every block from the table that pretraining shared.
            (
                f"{ours}/attn/relative/table",
                f"{theirs}.attn.{_RELATIVE}",
                SAME,
                f"rel_pos_bias.{_RELATIVE}",
            ),
        ),
        fixed=_fixed_positions(options, sizes[0], arrays),
        left_out=_BACKBONE,
    )


def _fixed_positions(options, image, arrays):
    orders = {"sincos": "column", "sincos_row": "row"}
    if options["positions"] not in orders:
        return {}
    norm = "norm/scale" if "norm/scale" in arrays else "fc_norm/scale"
    table = _sincos(
        height=image[1] // options["patch_size"],
        width=image[2] // options["patch_size"],
        dim=arrays[norm].size,
        first=orders[options["positions"]],
        class_token=options["class_token"],
    )
    return {"pos_embed": table}


def _sincos(**options):
    with jax.ensure_compile_time_eval():  # numbers, inside a trace as well
        return np.asarray(sincos_positions(**options), np.float32)[None]


def _swin(options, source, sizes, arrays):
    del options, sizes, arrays
    # timm counts a merging to the stage after it.
    after = 0 if source == "timm" else 1
    stages = range(1, 10)
    return Table(
        layers=(
            ("patch_embed", "patch_embed.proj"),
            ("patch_norm", "patch_embed.norm"),
            ("norm", "norm"),
            *(
                layer
                for i in stages
                for layer in _block(f"layer{i}_{{j}}", f"layers.{i - 1}.blocks.{{j}}")
            ),
            *(
                (f"merge{i}/{x}", f"layers.{i - after}.downsample.{x}")
                for i in stages
                for x in ("norm", "reduction")
            ),
        ),
        arrays=(
            ("mask_token", None if source == "timm" else "mask_token", SAME),
            *(
                (
                    f"layer{i}_{{j}}/attn/relative/table",
                    f"layers.{i - 1}.blocks.{{j}}.attn.{_RELATIVE}",
                    SAME,
                )
                for i in stages
            ),
        ),
        left_out=_BACKBONE,
    )


def _convmae(options, source, sizes, arrays):
    del source
    stages = (1, 2, 3)
    stride = int(np.prod(options["strides"]))
    positions = {**options, "class_token": False, "patch_size": stride}
    ours, theirs = "layer{i}_{j}", "blocks{i}.{j}"
    return Table(
        layers=(
            *((f"patch_embed{i}", f"patch_embed{i}.proj") for i in stages),
            *((f"patch_norm{i}", f"patch_embed{i}.norm") for i in stages),
            ("patch_embed4", "patch_embed4"),
            ("fuse{i}", "stage{i}_output_decode"),
            (f"{ours}/norm{{n}}", f"{theirs}.norm{{n}}"),
            (f"{ours}/conv{{n}}", f"{theirs}.conv{{n}}", POINTWISE),
            (f"{ours}/depthwise", f"{theirs}.attn"),
            (f"{ours}/fc{{n}}", f"{theirs}.mlp.fc{{n}}", POINTWISE),
            *_block("blocks_{i}", "blocks3.{i}"),
            ("norm", "norm"),
            ("fc_norm", "fc_norm"),
        ),
        arrays=(("pos_embed", "pos_embed", SAME),),
        fixed=_fixed_positions(positions, sizes[0], arrays),
        left_out=_BACKBONE,
    )


def _mae_decoder(options, source, sizes, arrays):
    del source
    side = round(sizes[1][1] ** 0.5)
    height, width = options["grid"] or (side, side)
    table = _sincos(
        height=height,
        width=width,
        dim=arrays["norm/scale"].size,
        class_token=options["class_token"],
    )
    return Table(
        layers=(
            *((name, f"decoder_{name}") for name in ("embed", "norm", "pred")),
            *_block("blocks_{i}", "decoder_blocks.{i}"),
        ),
        arrays=(("mask_token", "mask_token", SAME),),
        fixed={"decoder_pos_embed": table},
        left_out=(r"cls_token|pos_embed|(?!decoder_).*\..*",),
    )


def _simmim_decoder(options, source, sizes, arrays):
    del options, source, sizes, arrays
    return Table(layers=(("pred", "decoder.0", POINTWISE),), left_out=(r"encoder\..*",))


def _alexnet(options, source, sizes, arrays):
    del options, source, sizes, arrays
    places = (0, 3, 6, 8, 10)
    return Table(
        layers=(
            *((f"conv{i}", f"features.{n}") for i, n in enumerate(places, start=1)),
            ("fc6", "classifier.1", MAP),
            ("fc7", "classifier.4"),
        ),
        left_out=(r"classifier\.6\..*",),
    )


_FAMILIES = {
    "alexnet": _alexnet,
    "clip_resnet": clip_resnet,
    "clip_text": clip_text,
    "clip_vit": clip_vit,
    "convmae_encoder": _convmae,
    "dalle_decoder": dalle,
    "dalle_encoder": dalle,
    "dino_head": dino_head,
    "dvae_decoder": dvae_decoder,
    "dvae_encoder": dvae_encoder,
    "mae_decoder": _mae_decoder,
    "mlp": mlp,
    "resnet": _resnet,
    "siglip_text": siglip_text,
    "simmim_decoder": _simmim_decoder,
    "swin": _swin,
    "vit": _vit,
}


def table_of(
    family: str,
    options: Mapping[str, Any],
    *,
    source: str,
    sizes: Any,
    arrays: Mapping[str, Any],
) -> Table:
    """The table of a family.

    Args:
      family: the name of the factory in `sslax.models` that others call.
      options: its arguments, defaults included.
      source: "timm" or "torch", the code that the paper's authors released.
      sizes: the shapes of the network's inputs.
      arrays: its parameters, or their shapes, by path.

    Raises:
      ValueError: there is no table for this family.
    """
    if family not in _FAMILIES:
        raise ValueError(
            f"the names of {family!r} in torch are not known here: "
            f"{nearest(family, _FAMILIES)}"
        )
    return _FAMILIES[family](options, source, sizes, arrays)
