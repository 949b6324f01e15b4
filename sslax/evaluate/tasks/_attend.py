"""Where a transformer looks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array

from sslax.evaluate.tasks._drawing import enlarged, heated
from sslax.evaluate.tasks._task import Pictures, Results, Split, Task, read_split

_HEADS = 6


def attend(*, images: int = 8, examples: int = 64) -> Task:
    """Attention maps of test images, and how broadly heads look.

    Args:
      images: how many to draw.
      examples: test images that the number is a mean of.

    Returns:
      A task for methods with the output "attention" [b heads h w]; its number is
      `attention_entropy` of the maps, in nats: 0 where a head looks at one patch, log
      of the number of patches where it looks at all alike.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        split = read_split(splits)
        weights = np.asarray(split.outputs["attention"], np.float64)
        share = weights.reshape(*weights.shape[:2], -1) + 1e-12
        share /= share.sum(axis=-1, keepdims=True)
        entropy = -(share * np.log(share)).sum(axis=-1)
        return Results(
            {"attention_entropy": float(entropy.mean())},
            pictures=lambda: [_drawn(split, images)],
        )

    return Task(needs=("attention",), run=run, splits=("test",), examples=examples)


def _drawn(split: Split, count: int) -> Pictures:
    maps = np.asarray(split.outputs["attention"])
    rows = np.linspace(0, len(maps) - 1, min(count, len(maps))).astype(int)
    assert split.images is not None
    pictures, maps = [enlarged(image) for image in split.images(rows)], maps[rows]

    def lit(heats: np.ndarray) -> list[np.ndarray]:
        return [heated(p, heat) for p, heat in zip(pictures, heats, strict=True)]

    heads = [(f"head {i}", lit(maps[:, i])) for i in range(min(_HEADS, maps.shape[1]))]
    return Pictures(
        "Attention",
        "Where the network looks in its last block: the mean over heads, then single "
        "heads.",
        [("image", pictures), ("mean", lit(maps.mean(axis=1))), *heads],
    )
