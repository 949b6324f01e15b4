"""Views: builders of pure `(key, batch) -> batch` that run inside the compiled step.

A batch is a dict with `image` (uint8, or float in [0, 1]) `[b h w c]`, and where images
lie on a larger canvas, `box` `[b 4]`: top, left, height and width of the valid pixels.
A builder puts what the loss reads into `batch["views"]`, a tuple of arrays with leading
b; masks and pretext labels go to keys of their own, also with leading b.
"""

from sslax.views._evaluate import center
from sslax.views._masked import masked, random_mask
from sslax.views._photometric import view
from sslax.views._pretext import rotated
from sslax.views._several import chain, two_views
from sslax.views._shifted import shifted

__all__ = [
    "center",
    "chain",
    "masked",
    "random_mask",
    "rotated",
    "shifted",
    "two_views",
    "view",
]
