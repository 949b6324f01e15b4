"""Views: builders of pure `(key, batch) -> batch` that run inside the compiled step.

A batch is a dict with `image` (uint8, or float in [0, 1]) `[b h w c]`, and where images
lie on a larger canvas, `box` `[b 4]`: top, left, height and width of the valid pixels.
A builder puts what the loss reads into `batch["views"]`, a tuple of arrays with leading
b; masks and pretext labels go to keys of their own, also with leading b.
"""

from sslax.views._backgrounds import (
    background,
    other_backgrounds,
    swapped_backgrounds,
)
from sslax.views._clips import (
    clips,
    middle_clip,
)
from sslax.views._colours import (
    channel_views,
    lab,
)
from sslax.views._domains import (
    two_domains,
)
from sslax.views._evaluate import (
    center,
)
from sslax.views._fixed_crop import (
    fixed_crop,
)
from sslax.views._grids import (
    altered_patches,
    image_rows,
    overlapping_patches,
)
from sslax.views._masked import (
    hide_alike,
    hide_blocks,
    hide_patches,
    hide_units,
    masked,
)
from sslax.views._masked_crops import (
    hide_some,
    masked_crops,
)
from sslax.views._normalized import (
    normalized,
)
from sslax.views._patches import (
    context_pairs,
    exemplars,
)
from sslax.views._photometric import (
    view,
)
from sslax.views._pretext import (
    counted,
    montage,
    rotated,
)
from sslax.views._puzzles import (
    jigsaw,
    tiled,
)
from sslax.views._several import (
    multi_crop,
    one_view,
    pixel_views,
    renderings,
    two_views,
)
from sslax.views._windows import (
    fine_tuned,
    frame_crops,
    shifted,
)

__all__ = [
    "altered_patches",
    "background",
    "center",
    "channel_views",
    "clips",
    "context_pairs",
    "counted",
    "exemplars",
    "fine_tuned",
    "fixed_crop",
    "frame_crops",
    "hide_alike",
    "hide_blocks",
    "hide_patches",
    "hide_some",
    "hide_units",
    "image_rows",
    "jigsaw",
    "lab",
    "masked",
    "masked_crops",
    "middle_clip",
    "montage",
    "multi_crop",
    "normalized",
    "one_view",
    "other_backgrounds",
    "overlapping_patches",
    "pixel_views",
    "renderings",
    "rotated",
    "shifted",
    "swapped_backgrounds",
    "tiled",
    "two_domains",
    "two_views",
    "view",
]
