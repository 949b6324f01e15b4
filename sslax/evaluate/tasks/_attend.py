"""Where a transformer looks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array

from sslax.evaluate._attention import attention_distance, attention_entropy
from sslax.evaluate.tasks._drawing import enlarged, heated
from sslax.evaluate.tasks._task import Pictures, Results, Split, Task, read_split

_HEADS = 6


def attend(*, images: int = 8, examples: int = 64) -> Task:
    """Attention maps of test images, and how far and how broadly heads look.

    Args:
      images: how many to draw.
      examples: test images that the numbers are means of.

    Returns:
      A task for methods with the output "attention" [b heads n n]; its numbers are
      `attention_distance`, percent of the image's side, and `attention_entropy`, nats.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        split = read_split(splits)
        attention = np.asarray(split.outputs["attention"])
        side, extra = grid_of(attention.shape[-1])
        distance = attention_distance(
            attention,
            grid=(side, side),
            patch_size=1.0 / side,
            class_tokens=extra,
        )
        entropy = attention_entropy(attention, class_tokens=extra)
        numbers = {
            "attention_distance": 100.0 * float(distance.mean()),
            "attention_entropy": float(entropy.mean()),
        }
        return Results(numbers, pictures=lambda: [_drawn(split, images)])

    return Task(needs=("attention",), run=run, splits=("test",), examples=examples)


def grid_of(tokens: int) -> tuple[int, int]:
    """Side of the square of patches, and how many tokens stand before them."""
    side = int(np.sqrt(tokens))
    return side, tokens - side * side


def _drawn(split: Split, count: int) -> Pictures:
    attention = np.asarray(split.outputs["attention"])
    side, extra = grid_of(attention.shape[-1])
    rows = np.linspace(0, len(attention) - 1, min(count, len(attention))).astype(int)
    # Of the class token; where there is none, the mean over patches.
    asked = attention[rows, :, :1] if extra else attention[rows]
    maps = asked[..., extra:].mean(axis=2).reshape(len(rows), -1, side, side)
    assert split.images is not None
    pictures = [enlarged(image) for image in split.images(rows)]

    def lit(heats: np.ndarray) -> list[np.ndarray]:
        return [heated(p, heat) for p, heat in zip(pictures, heats, strict=True)]

    heads = [(f"head {i}", lit(maps[:, i])) for i in range(min(_HEADS, maps.shape[1]))]
    whose = "the class token looks" if extra else "patches look on the mean"
    return Pictures(
        "Attention",
        f"Where {whose} in the last block: the mean over heads, then single heads.",
        [("image", pictures), ("mean", lit(maps.mean(axis=1))), *heads],
    )
