"""The sheet of hard_negatives."""

from tests.sheets.common import DEBIASED

HARD = {**DEBIASED, "normalize": "cifar10"}
HARD |= {"method": {**DEBIASED["method"], "beta": 1.0}}
SHEETS = {
    "cifar10": HARD,
    "stl10": HARD,
    "stl10_annealed": {**HARD, "method": DEBIASED["method"]},
}
