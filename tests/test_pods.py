"""The table of predictions: its recipes are there, and it shows what was stored."""

from experiments import pods
from sslax.commands.options import parse
from sslax.commands.overrides import load_config
from sslax.commands.staged import stage_of


def test_every_row_is_a_recipe_whose_batch_its_chips_divide():
    for title, recipe, changes in pods.ROWS:
        name, *words = pods.command(recipe, "v5e:16x16", changes)
        options = parse(name, words)
        config = load_config(options.config, options.overrides)
        config = stage_of(config, options.stage)
        assert config["batch_size"] % 256 == 0, title
    assert len({title for title, _, _ in pods.ROWS}) == len(pods.ROWS)


NO_PRODUCTS = {"highest": 0.0, "other": 4096e10}


def stored(title, topology, *, fits=True, prediction=True):
    speed = {"compute": 0.0051, "memory": 0.0302, "exposed": 0.004, "seconds": 0.0342}
    speed |= {"images": 119_765.0, "mfu": 0.137}
    plan = {
        "topology": topology,
        "batch_size": 4096,
        "dtype": "bfloat16",
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
        stored("MAE, ViT-B", "v5e:16x16"),
        stored("no longer there", "v5e:16x16"),
    ]
    _, _, *lines = pods.draw(rows).splitlines()
    assert lines == [
        "| MAE, ViT-B | v5e:16x16 | 4,096 | bfloat16 | 3.0 of 16.0 | 59 "
        "| 5.1 | 30.2 | 4.0 | 34.2 | 120,000 | 14% |",
        "| MAE, ViT-B | h100:4x8 | 4,096 | bfloat16 | 3.0 of 16.0, does not fit | 59 "
        "| 5.1 | 30.2 | 4.0 | 34.2 | 120,000 | 14% |",
        "| MAE, ViT-L | v5e:16x16 | 4,096 | bfloat16 | does not compile "
        "| - | - | - | - | - | - | - |",
    ]
