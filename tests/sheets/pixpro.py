"""The sheet of pixpro."""

from tests.sheets.common import PIXPRO

PIXPRO_METHOD = {"hidden": 4096, "dim": 256, "power": 2.0, "floor": 0.0, "layers": 1}
PIXPRO_METHOD |= {"ratio": 0.7}
SHEETS = {
    "imagenet": {**PIXPRO, "method": {**PIXPRO_METHOD, "instance": 0.0}},
    "instance": {**PIXPRO, "method": {**PIXPRO_METHOD, "instance": 1.0}},
}
