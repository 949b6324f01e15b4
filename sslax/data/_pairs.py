"""Two sources side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sslax.data._fields import Example
from sslax.data._sources import Read, Source


def unpaired(*, first: Source, second: Source) -> Source:
    """Puts the images of two sources side by side, as two domains without pairs.

    Example k has image k of the first, and of the second one that is drawn afresh each
    time, by the seed and the step. As many as the larger source has make an epoch; the
    smaller one begins anew.

    Args:
      first: where `image` comes from.
      second: where `other` comes from: its first picture.

    Returns:
      The source, with `image` and `other` alone; on a canvas also `box` and
      `other_box`.

    Raises:
      ValueError: for a domain of one image.

    Example:
      >>> from sslax import data
      >>> pairs = data.unpaired(
      ...     first=data.synthetic(size=16, length=4),
      ...     second=data.synthetic(size=32, length=6, seed=1),
      ... )
      >>> len(pairs), pairs[5]["image"].shape, pairs[5]["other"].shape
      (6, (16, 16, 3), (32, 32, 3))
    """
    for side in (first, second):
        if len(side) == 1:
            raise ValueError(
                f"{side.name} has one image; a domain needs several, or there is "
                "nothing that they have in common"
            )
    one, two = first.pictures[0], second.pictures[0]
    return Source(
        name=f"unpaired {first.name} and {second.name}",
        length=max(len(first), len(second)),
        read=partial(
            _read, (first.read, one, len(first)), (second.read, two, len(second))
        ),
        fields={"image": first.fields[one], "other": second.fields[two]},
        locate=partial(_locate, first, second.name),
        grouped=True,
        draws=True,
        on_error=first.on_error,
    )


_Side = tuple[Read, str, int]


def _read(
    first: _Side, second: _Side, indices: Sequence[int], draws: Sequence[int]
) -> list[Example]:
    left = _pictures(first, indices, draws)
    right = _pictures(second, draws, draws)
    pairs = zip(left, right, strict=True)
    return [{"image": image, "other": other} for image, other in pairs]


def _pictures(side: _Side, indices: Sequence[int], draws: Sequence[int]) -> list:
    read, name, length = side
    return [example[name] for example in read([i % length for i in indices], draws)]


def _locate(first: Source, second: str, index: int) -> str:
    return f"{first.where(index % len(first))}, or its partner in {second},"
