"""Outputs of transformers that lie on the grid of patches: a map, and attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Array, Float

__all__ = ["attention_asked", "off_grid", "on_grid"]


def attention_asked(
    output: str | Sequence[str], depth: int, *, whole: bool = True
) -> list[int]:
    """The blocks whose attention an output names; "attention" means the last.

    Where patches are missing (`whole` is False) nobody can read that one.
    """
    names = {output} if isinstance(output, str) else set(output)
    names |= {f"attention{depth - 1}"} if whole and "attention" in names else set()
    return [i for i in range(depth) if f"attention{i}" in names]


def off_grid(output: str | Sequence[str]) -> str | list[str]:
    """What is left of several outputs by name where patches are missing."""
    if isinstance(output, str):
        return output
    return [name for name in output if name not in ("map", "attention")]


def on_grid(
    tokens: Float[Array, "b n d"],
    found: Mapping[int, Float[Array, "b heads q n"]],
    *,
    grid: Sequence[int],
    last: int,
    prefix: int,
) -> dict[str, Array]:
    """The outputs "map" and, where the last block's weights were kept, "attention".

    Args:
      tokens: of all patches, after `prefix` others.
      found: attention weights by the number of the block; a probe's, whose only query
        it is, by the next number.
      grid: rows and columns of patches.
      last: the number of what looked last.
      prefix: 1 with a class token, else 0.

    Returns:
      "map" `[b h w d]`; "attention" `[b heads h w]`: how much the class token looks at
      each patch, or without one how much the patches, or the probe, do on average.
    """
    tokens = tokens[:, prefix:]
    outputs = {"map": tokens.reshape(tokens.shape[0], *grid, tokens.shape[-1])}
    if last in found:
        weights = found[last]
        row = weights[:, :, 0, 1:] if prefix else weights.mean(axis=2)
        outputs["attention"] = row.reshape(*row.shape[:2], *grid)
    return outputs
