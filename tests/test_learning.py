"""The learning race: schedules follow the budget; the table means what it says."""

import functools
import json

import jax
import numpy as np

from experiments.learning import (
    config_of,
    epochs_of,
    merge,
    pixels_of,
    sources_of,
    write,
)
from experiments.learning_readings import readers
from experiments.learning_table import draw
from sslax import augment, data, models
from sslax.train.loop import first_state
from sslax.train.run import build_run


def test_schedules_follow_the_steps_of_the_budget():
    source = "fashion_mnist_sample/train"
    made = functools.partial(config_of, "byol", source, held_out=True, seed=3)
    config = made(changes=[("optimizer.learning_rate", "2e-3")])
    assert config["data"]["train"] == dict(
        name="part", of=data.parse(source), stop="90%"
    )
    assert config["examples"] == 9_000
    assert config["seed"] == 3
    assert config["optimizer"]["learning_rate"] == 2e-3
    longer = made(changes=[epochs_of(config, 400)])
    assert longer["steps"] == 6 * (9_000 // 128)
    assert longer["optimizer"]["schedule"]["steps"] == longer["steps"]
    assert longer["method"]["momentum"]["steps"] == longer["steps"]
    assert longer["data"] == config["data"]
    painting = config_of("mae", source, held_out=False, seed=0)
    assert epochs_of(painting, 1) == ("epochs", "3")  # two of them are its warm-up


def test_inner_layers_are_those_of_the_encoder():
    source = "fashion_mnist_sample/train"
    made = functools.partial(config_of, "rotation", source, held_out=False, seed=0)
    run = build_run(made(changes=()))
    read = readers(run, made, (), "layer1")
    assert list(read) == ["", ", layer1"]
    few = data.part(of=data.source(source), stop=2)
    state = first_state(run)
    found = {name: own(state, [few])[0] for name, own in read.items()}
    images = np.stack([few[i]["image"] for i in range(2)]) / np.float32(255)
    statistics = run.config["normalize"]
    images = augment.normalize(jax.device_put(images), statistics=statistics)
    call = {**run.config["method"]["encoder"], "output": ("flat", "layer1")}
    net = models.convnet(**{k: v for k, v in call.items() if k != "name"})
    encoder = state.params["encoder"], state.extra["stats"]["encoder"]
    want, _ = jax.jit(net.apply)(*encoder, images)
    for name, own in zip(("flat", "layer1"), found.values(), strict=True):
        wanted = want[name].reshape(2, -1)
        np.testing.assert_allclose(own, wanted, rtol=1e-5, atol=1e-5)


def test_data_may_be_a_call():
    config = config_of("evolving", "", held_out=True, seed=0)
    assert config["data"]["train"]["of"]["name"] == "moving_shapes"
    assert config["examples"] == 922
    train, test = sources_of(config)
    assert (len(train), len(test)) == (922, 102)
    assert pixels_of(data.part(of=test, stop=2)).shape == (2, 10, 24, 24, 3)


def test_stages_are_of_the_same_data_and_the_budget_is_the_lasts():
    config = config_of(
        "beit",
        "fashion_mnist_sample/train",
        held_out=False,
        seed=3,
        changes=[("epochs", "7")],
    )
    assert config["epochs"] == 7
    assert config["method"]["name"] == "beit"
    (tokenizer,) = config["before"].values()
    assert tokenizer["seed"] == config["seed"] == 3
    assert tokenizer["epochs"] != 7
    assert tokenizer["data"] == config["data"]


def test_rows_are_means_over_seeds_of_the_newest_run():
    def rows(*values):
        return [
            {"method": "mae", "row": "sslax", "seed": i, "steps": 9, "knn": value}
            | {"data": "synthetic"}
            for i, value in enumerate(values)
        ]

    table = draw([{"rows": rows(10.0)}, {"rows": rows(80.0, 82.0)}])
    assert (
        table.splitlines()[-1] == "| mae | sslax | 9 | 81.0 ± 1.4 | - | - | - | - | - |"
    )
    assert "10.0" not in table


def test_seeds_of_several_runs_stand_together_if_their_steps_are_the_same():
    def rows(seed, knn, steps=9):
        row = {"method": "mae", "row": "sslax", "data": "synthetic", "knn": knn}
        return {"rows": [{**row, "seed": seed, "steps": steps}]}

    both = draw([rows(0, 80.0), rows(1, 82.0)])
    assert both.splitlines()[-1].startswith("| mae | sslax | 9 | 81.0 ± 1.4 |")
    again = draw([rows(0, 80.0), rows(1, 82.0), rows(0, 70.0)])
    assert again.splitlines()[-1].startswith("| mae | sslax | 9 | 76.0 ± 8.5 |")
    longer = draw([rows(0, 80.0), rows(1, 82.0, steps=18)])
    assert longer.splitlines()[-1].startswith("| mae | sslax | 18 | 82.0 |")


def test_a_method_that_was_stopped_before_it_trained_has_no_row():
    row = {"row": "random network", "data": "synthetic", "steps": 9, "knn": 70.0}
    trained = {**row, "row": "sslax", "knn": 80.0}
    rows = [{**row, "method": "mae"}, {**row, "method": "byol"}]
    table = draw([{"rows": [*rows, {**trained, "method": "mae"}]}])
    assert table.count("| mae |") == 2
    assert "byol" not in table


def test_runs_of_other_machines_are_added_once(tmp_path):
    file, other = tmp_path / "here.json", tmp_path / "there.json"
    row = {"row": "sslax", "data": "synthetic", "method": "mae", "knn": 80.0}
    run = {"command": "there", "rows": [{**row, "seconds": 3.0}]}
    empty = {"command": "stopped", "rows": []}
    write(other, [run, empty])
    for _ in range(2):
        merge(file, [str(other)], shared=True)
    assert json.loads(file.read_text()) == [{**run, "rows": [row]}]
