"""The sheet of debiased."""

from tests.sheets.common import DEBIASED

SHEETS = {
    "cifar10": {**DEBIASED, "normalize": "cifar10"},
    "stl10": {**DEBIASED, "normalize": "cifar10"},
}
