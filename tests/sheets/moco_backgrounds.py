"""The sheet of background augmentation: that of its hosts, with other views."""

from tests.sheets import byol, moco, simclr, swav


def other(sheet, replace, probability):
    views = {"name": "background", "replace": replace, "probability": probability}
    return {**sheet, "views": {**views, "foreground": "saliency", "count": 2}}


MOCO = {**moco.SHEETS["imagenet"], "epochs": 220}
MOCO["rate"] = (0.03, {0: 1.0, 110: 0.5, 219.9: 0.0})
SWAPS = {"name": "swapped_backgrounds", "probability": 0.2, "negative": 0.2}
SHEETS = {
    "imagenet": {**MOCO, "views": SWAPS},
    "removed": other(MOCO, "remove", 0.1),
    "random": other(MOCO, "random", 0.2),
    "byol": other(byol.SHEETS["imagenet"], "random", 0.2),
    "simclr": other(simclr.SHEETS["imagenet"], "random", 0.2),
    "swav": other(swav.SHEETS["imagenet"], "random", 0.2),
}
