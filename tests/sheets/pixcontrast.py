"""The sheet of pixcontrast."""

from tests.sheets.common import PIXPRO

SHEETS = {
    "imagenet": {
        **PIXPRO,
        "method": {"hidden": 4096, "dim": 256, "temperature": 0.3, "ratio": 0.7}
        | {"log_over": "cell", "weight": 1.0, "instance": 0.0},
    },
}
