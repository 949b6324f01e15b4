"""The recipes of fine-tuning fit what they start from, at full size, from shapes."""

import jax
import jax.numpy as jnp
import pytest

from sslax import calls
from sslax.core import Net
from sslax.train.fitting import fitted, statistics_of
from sslax.train.start import grafts_of
from sslax.train.stored import paths_of
from tests.test_configs import load, program

SWIN = {"name": "swin_base", "window_size": 6, "masked": "token"}


def places_of(config):
    shapes = program(config).shapes
    return paths_of({"params": shapes.params, "extra": shapes.extra})


def fits(stored, config, start="RUN"):
    """By place, what a config takes of stored arrays, and what is left to start."""
    places = places_of(config)
    [one] = grafts_of({**config, "start": (start,)})
    found = fitted(one, stored, places)
    took = statistics_of(one.take)
    if any(place.startswith(statistics_of(one.put)) for place in places):
        statistics = one._replace(take=took, put=statistics_of(one.put))
        found |= fitted(statistics, stored, places)
    fresh = {p for p in places.keys() - found.keys() if not p.startswith("extra/")}
    return found, fresh


def network(call, side):
    """A converted network counts as the encoder of a run."""
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    params, stats = jax.eval_shape(
        calls.build(call, Net).init, jax.random.key(0), image
    )
    return paths_of(
        {"params": {"encoder": params}, "extra": {"stats": {"encoder": stats}}}
    )


HEAD = {f"params/classifier/linear1/{leaf}" for leaf in ("kernel", "bias")}
NORM = {f"params/encoder/fc_norm/{leaf}" for leaf in ("scale", "bias")}


@pytest.mark.parametrize(
    ("name", "start", "variant", "fresh"),
    [
        ("mae:base", "RUN", "mae", HEAD | NORM | {"params/encoder/pos_embed"}),
        ("mae:base", "RUN", "mae_linear", HEAD),
        ("moco:imagenet", "RUN", "moco_linear", HEAD),
        ("simclr_v2:imagenet/pretrain", "RUN:params", "simclr_v2_1", HEAD),
    ],
)
def test_a_recipe_fits_the_run_of_its_paper(name, start, variant, fresh):
    found, left = fits(
        places_of(load(*name.split(":"))), load("finetune", variant), start
    )
    assert left == fresh
    assert all(fit.name.split("/")[-1] == p.split("/")[-1] for p, fit in found.items())


def test_a_tokenizer_is_all_of_the_one_that_was_trained():
    """BEiT's second stage takes the average of the first, encoder and decoder."""
    config = load("beit", "sample/beit")
    found, left = fits(
        places_of(load("beit", "sample/tokenizer")), config, config["start"][0]
    )
    wanted = {p for p in places_of(config) if p.startswith("extra/tokenizer/")}
    assert found.keys() == wanted
    assert all(fit.name.startswith("extra/teacher/") for fit in found.values())
    assert not {p for p in left if not p.startswith("params/")}


def test_beits_shared_table_becomes_one_of_each_block():
    pretrained = places_of(load("beit", "base/beit"))
    for variant in ("beit", "simmim_vit"):
        found, left = fits(pretrained, load("finetune", variant))
        assert left == HEAD | NORM
        tables = [p for p, fit in found.items() if fit.name.endswith("relative/table")]
        assert len(tables) == 12


@pytest.mark.parametrize(
    ("size", "sides"), [("base", {11: 13}), ("large", {23: 27, 11: 13})]
)
def test_simmims_windows_of_6_and_12_become_windows_of_7_and_14(size, sides):
    """The last stage of Swin-L is smaller than its window and has but one."""
    variant = "simmim" if size == "base" else "simmim_large"
    window = {"base": 6, "large": 12}[size]
    pretrained = {**SWIN, "name": f"swin_{size}", "window_size": window}
    found, left = fits(network(pretrained, 192), load("finetune", variant))
    assert left == HEAD
    tables = [fit for p, fit in found.items() if p.endswith("table")]
    changed = {
        fit.stored.shape[0]: jax.eval_shape(fit.change, jnp.ones(fit.stored.shape))
        for fit in tables
    }
    assert {a: x.shape[0] for a, x in changed.items()} == {
        before**2: after**2 for before, after in sides.items()
    }


@pytest.mark.parametrize(
    ("variant", "before", "stage"),
    [
        ("sample", "finetune", "distil"),
        ("imagenet", "finetune", "distil"),
        ("selective", "self_distil", "distil"),
    ],
)
def test_a_teacher_is_all_of_the_network_that_was_trained(variant, before, stage):
    stored = places_of(load("simclr_v2", f"{variant}/{before}"))
    config = load("simclr_v2", f"{variant}/{stage}")
    found, left = fits(stored, config, config["start"][0])
    assert {p for p in found if p.startswith("extra/teacher/")} == {
        p for p in places_of(config) if p.startswith("extra/teacher/")
    }
    assert left
    assert all(place.startswith("params/") for place in left)


def test_few_labels_start_from_the_first_layer_of_the_head():
    stored = places_of(load("simclr_v2", "sample/pretrain"))
    config = load("simclr_v2", "sample/finetune")
    found, left = fits(stored, config, config["start"][0])
    assert left == HEAD
    assert "params/projector/linear1/kernel" in found
