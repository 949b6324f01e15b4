"""The method's own loss on images that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array

from sslax.evaluate.tasks._task import Results, Split, Task, left_out


def held_out(*, objective: str = "ssl", examples: int = 10_000) -> Task:
    """The loss of an objective on the training views of the test split.

    The loss of many methods depends on the batch: the batch is that of training, or all
    images where there are fewer, and images that do not fill a batch are left out.

    Args:
      objective: the name of one of the method's objectives.
      examples: at most so many test images.

    Returns:
      A task with the number `held_out_loss_NAME`, a mean over batches.

    References:
      Xie et al., On Data Scaling in Masked Image Modeling, 2022, arXiv:2206.04664,
      section 4 (validation loss of pre-training).
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        if "test" not in splits:
            return Results(notes=left_out("the held-out loss is", "no test split"))
        values = splits["test"].outputs[f"loss/{objective}"]
        return Results({f"held_out_loss_{objective}": float(np.mean(values))})

    return Task(
        needs=(f"loss/{objective}",), run=run, splits=("test",), examples=examples
    )
