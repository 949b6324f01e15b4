"""What the calls of a config give, beside what `core` defines: aliases.

A kind is told from another by its type, so no two of them may be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxtyping import Array

__all__ = ["Batch", "Builder", "Drawn", "Mask", "View", "in_parts"]

# Fields of a batch by name; arrays have a leading axis b.
Batch = Mapping[str, Any]

# (key, image [b h w c], box [b 4] or None) -> image: one view of every image. The box
# is top, left, height and width of the valid pixels.
View = Callable[[Array, Array, Array | None], Array]

# (key, image [b h w c]) -> arrays [b ...]: which patches of every image are hidden. Of
# the image there is only the shape, for masks are drawn before images are made.
Mask = Callable[[Array, Array], Mapping[str, Array]]

# (key, batch) -> batch: what the loss reads stands in batch["views"].
Builder = Callable[[Array, Batch], Batch]


class Drawn(NamedTuple):
    """A builder or a view in two parts, whose images may be made a few at a time.

    First all that is random is drawn for the whole batch; from it each image is made by
    itself, the same however many are made together.

    Attributes:
      draw: `(key, *given) -> drawn`, small arrays [b ...] in a tree.
      make: `(drawn, *given) -> result`, for any neighbours in the batch.
    """

    draw: Callable[..., Any]
    make: Callable[..., Any]

    def __call__(self, key: Array | None, *given: Any) -> Any:
        """Both parts, one after the other."""
        return self.make(self.draw(key, *given), *given)


def in_parts(function: Callable[..., Any]) -> Drawn:
    """The parts of a builder or a view; one without is made whole as it is drawn.

    Args:
      function: a builder or a view, in parts or not.

    Returns:
      The same in parts.
    """
    if isinstance(function, Drawn):
        return function
    return Drawn(draw=function, make=lambda drawn, *given: drawn)
