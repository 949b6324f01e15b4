"""What the arrays of CLIP's networks and SigLIP's are called in PyTorch."""

from __future__ import annotations

from sslax.convert._names import BUFFERS, MATRIX, ROW, SAME, VECTOR, Table

__all__ = ["clip_resnet", "clip_text", "clip_vit", "siglip_text"]

_SIZES = ("input_resolution", "context_length", "vocab_size")
# What stands beside a text transformer in a file.
_BESIDE = (*BUFFERS, r"visual\..*", r"logit_(scale|bias)", *_SIZES)
_BLOCKS = tuple(
    (f"blocks_{{i}}/{ours}", f"transformer.resblocks.{{i}}.{theirs}")
    for ours, theirs in (
        ("norm{n}", "ln_{n}"),
        ("attn/proj", "attn.out_proj"),
        ("fc1", "mlp.c_fc"),
        ("fc2", "mlp.c_proj"),
    )
)
_ARRAYS = (
    *(
        (f"blocks_{{i}}/attn/qkv/{leaf}", f"transformer.resblocks.{{i}}.attn.{name}", x)
        for leaf, name, x in (
            ("kernel", "in_proj_weight", MATRIX),
            ("bias", "in_proj_bias", SAME),
        )
    ),
    ("pos_embed", "positional_embedding", ROW),
)
_WORDS = ("token_embed", "token_embedding.weight", SAME)


def clip_resnet(options, source, sizes, arrays):
    """OpenAI's names of an image tower of convolutions, below "visual." too."""
    del options, source, sizes, arrays
    ours, theirs = "layer{i}_{j}", "layer{i}.{j}"
    return Table(
        layers=(
            ("conv{i}", "conv{i}"),
            ("bn{i}", "bn{i}"),
            (f"{ours}/conv{{k}}", f"{theirs}.conv{{k}}"),
            (f"{ours}/bn{{k}}", f"{theirs}.bn{{k}}"),
            (f"{ours}/shortcut_conv", f"{theirs}.downsample.0"),
            (f"{ours}/shortcut_bn", f"{theirs}.downsample.1"),
            *((f"attention/{x}", f"attnpool.{x}_proj") for x in ("q", "k", "v")),
            ("attention/proj", "attnpool.c_proj"),
        ),
        arrays=(("attention/pos_embed", "attnpool.positional_embedding", ROW),),
        left_out=BUFFERS,
    )


def clip_vit(options, source, sizes, arrays):
    """OpenAI's names; the layers of an image tower stand below "visual."."""
    del options, source, sizes, arrays
    return Table(
        layers=(
            ("patch_embed", "conv1"),
            ("norm_pre", "ln_pre"),
            ("norm", "ln_post"),
            *_BLOCKS,
        ),
        arrays=(
            *_ARRAYS,
            ("projection/kernel", "proj", SAME),
            ("cls_token", "class_embedding", VECTOR),
        ),
    )


def clip_text(options, source, sizes, arrays):
    """OpenAI's names; the image tower and the scale stand beside them in a file."""
    del options, source, sizes, arrays
    return Table(
        layers=(("norm", "ln_final"), *_BLOCKS),
        arrays=(
            *_ARRAYS,
            ("projection/kernel", "text_projection", SAME),
            _WORDS,
        ),
        left_out=_BESIDE,
    )


def siglip_text(options, source, sizes, arrays):
    """open_clip's names; in its files they stand below "text."."""
    del options, source, sizes, arrays
    return Table(
        layers=(
            ("norm", "ln_final"),
            ("projection", "text_projection"),
            *_BLOCKS,
        ),
        arrays=(*_ARRAYS, _WORDS),
        left_out=_BESIDE,
    )
