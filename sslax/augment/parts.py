"""What `views` put together: steps that work on the inner layout, and checks.

The functions of `sslax.augment` take and give images `[b h w c]`; a view that called
one after the other would turn the axes around at each. These take rows `[b h c w]` or
columns `[b w c h]`, so that a view turns them once.
"""

from sslax.augment._blur import blur_rows, check_blur, default_kernel, draw_sigma
from sslax.augment._colour import COLOURS, invert_above
from sslax.augment._crops import check_crop
from sslax.augment._jitter import (
    active_operations,
    check_jitter,
    draw_jitter,
    jitter_rows,
)
from sslax.augment._kernels import METHODS, resample_weights
from sslax.augment._layout import (
    from_columns,
    from_rows,
    grey_rows,
    per_image,
    to_rows,
)
from sslax.augment._masks import check_ratio
from sslax.augment._normalize import statistics_of
from sslax.augment._patches import grid_of
from sslax.augment._rand_augment import OPERATIONS
from sslax.augment._resample import crop_columns, filter_rows, pair

__all__ = [
    "COLOURS",
    "METHODS",
    "OPERATIONS",
    "active_operations",
    "blur_rows",
    "check_blur",
    "check_crop",
    "check_jitter",
    "check_ratio",
    "crop_columns",
    "default_kernel",
    "draw_jitter",
    "draw_sigma",
    "filter_rows",
    "from_columns",
    "from_rows",
    "grey_rows",
    "grid_of",
    "invert_above",
    "jitter_rows",
    "pair",
    "per_image",
    "resample_weights",
    "statistics_of",
    "to_rows",
]
