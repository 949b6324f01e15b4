"""What a run needs to know of its data before the first batch."""

from __future__ import annotations

from typing import Any

from sslax.data._memory import check_shapes
from sslax.data._sources import Source


def shapes(
    source: Source, *, batch_size: int, canvas: int | None = None
) -> dict[str, Any]:
    """The shapes of a batch, without reading one.

    Args:
      source: what batches are made of.
      batch_size: examples a batch, of all processes together.
      canvas: the side of the square that images are put on, in pixels, or None.

    Returns:
      A `jax.ShapeDtypeStruct` for every entry, as a loader gives them.

    Raises:
      ValueError: if images differ in size and there is no canvas.

    Example:
      >>> from sslax import data
      >>> made = data.shapes(data.synthetic(size=16), batch_size=4, canvas=32)
      >>> made["image"].shape, made["box"].shape, made["label"].dtype
      ((4, 32, 32, 3), (4, 4), dtype('int32'))
    """
    import jax
    import numpy as np

    return {
        name: jax.ShapeDtypeStruct((batch_size, *field.shape), np.dtype(field.dtype))
        for name, field in check_shapes(source, canvas).items()
    }


def check_examples(source: Source, examples: int, *, batch_size: int) -> None:
    """Stops where a schedule was made for another number of examples than there are.

    Args:
      source: the training data.
      examples: what the config says, `config.examples`.
      batch_size: the config's.

    Raises:
      ValueError: if the number differs or does not fill a batch; the message has the
        flag to give.

    Example:
      >>> from sslax import data
      >>> data.check_examples(data.synthetic(length=64), 64, batch_size=16)
    """
    if len(source) < batch_size:
        raise ValueError(
            f"batch_size is {batch_size}, and {source.name} has only {len(source)}"
            f" examples; give --config.batch_size={_below(len(source))} or less"
        )
    if len(source) != examples:
        raise ValueError(
            f"the schedule is made for {examples} examples, and {source.name} has"
            f" {len(source)}; give --config.examples={len(source)}"
        )


def _below(count: int) -> int:
    """The largest power of two that is at most `count`."""
    return 1 << (max(1, count).bit_length() - 1)


def check_classes(train: Source, test: Source) -> None:
    """Stops where labels mean different classes in training and test.

    Args:
      train: the training data.
      test: what is evaluated on.

    Raises:
      ValueError: if both have labels, of different classes.

    Example:
      >>> from sslax import data
      >>> data.check_classes(data.synthetic(), data.synthetic(split="test"))
    """
    names = train.class_names, test.class_names
    if None in names or names[0] == names[1]:
        return
    apart = sorted(set(names[0] or ()) ^ set(names[1] or ()))
    raise ValueError(
        f"labels of {train.name} and {test.name} mean different classes:"
        f" {len(names[0] or ())} and {len(names[1] or ())}, of which only one has"
        f" {apart[:5]}"
    )
