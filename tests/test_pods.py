"""The table of predictions: its recipes are there, and it shows what was stored."""

import pytest

from experiments import pods, pods_rows
from sslax.commands.options import parse
from sslax.commands.overrides import load_config
from sslax.commands.staged import stage_of


def configured(words):
    options = parse(words[0], words[1:])
    config = load_config(options.config, options.overrides)
    return stage_of(config, options.stage)


@pytest.mark.parametrize("rows", [pods_rows.RECIPES, pods_rows.ATTENTION])
def test_every_row_is_a_recipe_whose_batch_its_chips_divide(rows):
    for title, recipe, changes in rows:
        config = configured(pods.command(recipe, "v5e:16x16", changes))
        assert config["batch_size"] % 256 == 0, title
    assert len({title for title, _, _ in rows}) == len(rows)


@pytest.mark.parametrize(
    ("recipe", "own", "other"),
    [
        ("simclr:imagenet", "float32", "bfloat16"),
        ("beit:base/beit", "bfloat16", "float32"),
    ],
)
def test_a_row_is_planned_in_either_dtype_by_its_stage(recipe, own, other):
    asked = dict(pods.commands([("a", recipe, ())], ["v5e:16x16"], (own, other)))
    assert [*asked] == [("a", "v5e:16x16", own), ("a", "v5e:16x16", other)]
    assert [configured(words)["dtype"] for words in asked.values()] == [own, other]
    assert "dtype" not in " ".join(asked["a", "v5e:16x16", own])
    alone = pods.commands([("a", recipe, ())], ["h100:4x8"], (pods.OWN,))
    assert [known for known, _ in alone] == [("a", "h100:4x8", own)]


def test_forms_of_attention_are_those_of_their_titles():
    for title, recipe, changes in pods_rows.ATTENTION:
        config = configured(pods.command(recipe, "v5e:16x16", changes))
        form = config["method"]["encoder"].get("attention", "auto")
        assert form == ("auto" if title.endswith("auto") else "xla")
        assert (config["dtype"] == "float32") == title.endswith("before")
        view = config["views"].get("view") or config["views"]["first"]
        assert f"{view['size']} px" in title


NO_PRODUCTS = {"highest": 0.0, "other": 4096e10}


def stored(title, topology, *, fits=True, prediction=True, dtype="bfloat16"):
    speed = {"compute": 0.0051, "memory": 0.0302, "exposed": 0.004, "seconds": 0.0342}
    speed |= {"images": 119_765.0, "mfu": 0.137}
    plan = {
        "topology": topology,
        "batch_size": 4096,
        "dtype": dtype,
        "fits": fits,
        "memory": {"needed": 3 * 2**30, "usable": 16 * 2**30},
        "flops": {"model": {"half": 4096 * 57.6e9, "single": 4096e9} | NO_PRODUCTS},
        "prediction": speed if prediction else None,
    }
    return {"title": title, "plan": plan}


def test_the_table_is_in_the_order_of_the_recipes_and_chips():
    rows = [
        stored("MAE, ViT-L", "v5e:16x16", prediction=False, fits=False),
        stored("MAE, ViT-B", "h100:4x8", fits=False),
        stored("MAE, ViT-B", "v5e:16x16", dtype="float32"),
        stored("MAE, ViT-B", "v5e:16x16"),
        stored("no longer there", "v5e:16x16"),
    ]
    _, _, *lines = pods.draw(rows).splitlines()
    assert lines == [
        "| MAE, ViT-B | v5e:16x16 | 4,096 | bfloat16 | 3.0 of 16.0 | 59 "
        "| 5.1 | 30.2 | 4.0 | 34.2 | 120,000 | 14% |",
        "| MAE, ViT-B | v5e:16x16 | 4,096 | float32 | 3.0 of 16.0 | 59 "
        "| 5.1 | 30.2 | 4.0 | 34.2 | 120,000 | 14% |",
        "| MAE, ViT-B | h100:4x8 | 4,096 | bfloat16 | 3.0 of 16.0, does not fit | 59 "
        "| 5.1 | 30.2 | 4.0 | 34.2 | 120,000 | 14% |",
        "| MAE, ViT-L | v5e:16x16 | 4,096 | bfloat16 | does not compile "
        "| - | - | - | - | - | - | - |",
    ]
