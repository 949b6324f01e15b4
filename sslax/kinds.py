"""What the calls of a config give, beside what `core` defines: aliases alone.

A kind is told from another by its type, so no two of them may be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Array

__all__ = ["Batch", "Builder", "Mask", "View"]

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
