"""Recipes of fine-tuning, probes and few labels, held to the sheets of their papers."""

import pytest

from sslax.rates import rates
from tests.test_configs import load

VIT = {"pool": "mean", "drop_path": 0.1, "name": "vit_base"}
BEIT = {**VIT, "positions": "none", "relative": "block", "qkv_bias": "qv"}
BEIT |= {"layer_scale": 0.1, "init": "beit"}
SHEETS = {
    "mae": {
        "run": (1024, 100),
        "encoder": {**VIT, "positions": "sincos_learned"},
        "optimizer": {"decay": 0.65, "weight_decay": 0.05}
        | {"exclude": ["rank_one", "cls_token", "pos_embed"]},
        "rates": {"": (2e-3, {0: 0.0, 5: 1.0, 52.5: 0.5, 100: 5e-4})},
    },
    "mae_large": {
        "run": (1024, 50),
        "encoder": {"name": "vit_large", "drop_path": 0.2},
        "optimizer": {"decay": 0.75},
        "rates": {"": (4e-3, {5: 1.0, 50: 2.5e-4})},
    },
    "mae_huge": {
        "run": (1024, 50),
        "encoder": {"name": "vit_huge", "patch_size": 14, "drop_path": 0.3},
        "optimizer": {"decay": 0.75},
        "rates": {"": (4e-3, {5: 1.0})},
    },
    "mae_linear": {
        "run": (16384, 90),
        "method": {"frozen": True, "head_norm": True},
        "optimizer": {"name": "lars_byol"},
        "rates": {"": (6.4, {0: 0.0, 10: 1.0, 50: 0.5, 90: 0.0})},
    },
    "beit": {
        "run": (1024, 100),
        "encoder": BEIT,
        "optimizer": {"decay": 0.65, "exclude": ["rank_one", "cls_token"]},
        "rates": {"": (4e-3, {0: 0.0, 20: 1.0, 60: 0.5, 100: 2.5e-4})},
    },
    "beit_large": {
        "run": (1024, 50),
        "encoder": {**BEIT, "name": "vit_large", "drop_path": 0.2, "layer_scale": 1e-5},
        "optimizer": {"decay": 0.75},
        "rates": {"": (1e-3, {5: 1.0, 50: 1e-3})},
    },
    "simmim": {
        "run": (2048, 100),
        "encoder": {"name": "swin_base", "drop_path": 0.1},
        "optimizer": {"decay": 0.8, "norm": 5.0, "per": "all"},
        "rates": {"": (5e-3, {0: 2e-4, 20: 1.0, 60: 0.5, 100: 2e-4})},
    },
    "simmim_large": {
        "run": (2048, 100),
        "encoder": {"name": "swin_large", "drop_path": 0.2, "window_size": 14},
        "optimizer": {"decay": 0.7, "norm": 5.0, "per": "all"},
        "rates": {"": (5e-3, {0: 2e-4, 20: 1.0, 60: 0.5, 100: 2e-4})},
    },
    "simmim_vit": {
        "run": (2048, 100),
        "encoder": BEIT,
        "optimizer": {"decay": 0.65, "norm": 5.0},
        "rates": {"": (5e-3, {20: 1.0})},
    },
    "ibot_small": {
        "run": (1024, 200),
        "encoder": {"name": "vit_small", "drop_path": 0.1},
        "optimizer": {"decay": 0.75},
        "rates": {"": (4e-3, {0: 0.0, 20: 1.0, 110: 0.5, 200: 2.5e-4})},
    },
    "ibot": {
        "run": (1024, 100),
        "encoder": {"name": "vit_base", "drop_path": 0.2},
        "optimizer": {"decay": 0.65, "weight_decay": 0.05}
        | {"exclude": ["rank_one", "cls_token", "pos_embed"]},
        "rates": {"": (4e-3, {0: 0.0, 20: 1.0, 60: 0.5, 100: 2.5e-4})},
    },
    "ibot_large": {
        "run": (1024, 50),
        "encoder": {"name": "vit_large", "drop_path": 0.4},
        "optimizer": {"decay": 0.75},
        "rates": {"": (1e-3, {5: 1.0, 50: 1e-3})},
    },
    "convmae": {
        "run": (1024, 100),
        "encoder": {"name": "convmae_encoder", "fusion": False, "drop_path": 0.1},
        "optimizer": {"decay": 0.65, "weight_decay": 0.05},
        "rates": {"": (2e-3, {0: 0.0, 5: 1.0, 52.5: 0.5, 100: 5e-4})},
    },
    "deepmim_clip": {
        "run": (1024, 100),
        "encoder": {**VIT, "positions": "sincos_learned"},
        "optimizer": {"decay": 0.6},
        "rates": {"": (4e-4, {0: 0.0, 5: 1.0, 100: 2.5e-3})},
    },
    "simclr_v2_1": {
        "run": (1024, 60),
        "method": {"head_init": "zeros"},
        "optimizer": {"name": "lars", "exclude": ["rank_one", "classifier"]},
        "rates": {"": (0.16, {0: 1.0, 30: 0.5, 60: 0.0})},
    },
    "simclr_v2_10": {"run": (1024, 30), "rates": {"": (0.16, {0: 1.0, 30: 0.0})}},
    "swav_1": {
        "run": (256, 20),
        "rates": {
            "": (0.02, {0: 1.0, 11.9: 1.0, 12: 0.2, 16: 0.04}),
            "others/0/": (5.0, {0: 1.0, 12: 0.2, 16: 0.04}),
        },
    },
    "swav_10": {
        "run": (256, 20),
        "rates": {
            "": (0.01, {0: 1.0, 16: 0.04}),
            "others/0/": (0.2, {0: 1.0, 16: 0.04}),
        },
    },
    "barlow_twins_1": {
        "run": (256, 20),
        "rates": {
            "": (0.005, {0: 1.0, 10: 0.5, 10.9: 0.5}),
            "others/0/": (0.5, {0: 1.0, 10: 0.5}),
        },
    },
    "moco_linear": {
        "run": (256, 100),
        "method": {"frozen": True},
        "rates": {"": (30.0, {0: 1.0, 59.9: 1.0, 60: 0.1, 80: 0.01})},
    },
}


def flat(spec):
    """The arguments of nested calls, the outer one's first."""
    inner = spec.get("optimizer", {})
    return {**(flat(inner) if inner else {}), **spec}


@pytest.mark.parametrize("variant", SHEETS)
def test_a_recipe_is_what_its_sheet_says(variant):
    config, sheet = load("finetune", variant), SHEETS[variant]
    assert (config["batch_size"], config["epochs"]) == sheet["run"]
    found = {
        "method": config["method"],
        "encoder": config["method"]["encoder"],
        "optimizer": flat(config["optimizer"]),
    }
    for part in found.keys() & sheet.keys():
        seen = {k: found[part].get(k) for k in sheet[part]}
        assert seen == sheet[part]
    courses = rates(config["optimizer"])
    assert len(courses) == len(sheet["rates"])
    for name, (peak, course) in sheet["rates"].items():
        for epoch, part in course.items():
            step = min(round(epoch * config["steps_per_epoch"]), config["steps"])
            value = float(courses[f"{name}learning_rate"](step))
            assert value == pytest.approx(peak * part, rel=2e-2, abs=2e-3 * peak)


@pytest.mark.parametrize("variant", ["mae", "beit", "simmim", "simmim_vit"])
def test_fine_tuning_has_one_recipe_of_views(variant):
    """The defaults of `views.fine_tuned` are the papers'."""
    views = load("finetune", variant)["views"]
    assert views.keys() == {"name", "view", "classes", "noise"}
    assert views["view"]["resize"] == "bicubic"


def test_partial_fine_tuning_holds_all_but_the_last_blocks():
    for variant, last in (("mae_partial", 7), ("mae_partial_1", 10)):
        [embedding, blocks] = flat(load("finetune", variant)["optimizer"])["match"]
        assert embedding == "encoder/(patch_embed|cls_token|pos_embed)"
        held = "|".join(str(i) for i in range(last + 1))
        assert blocks == rf"encoder/blocks_({held})/"
