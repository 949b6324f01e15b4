"""Every field of a config can be set from the command line, and a slip is explained."""

import json
from pathlib import Path

import optax
import pytest

from sslax.commands.overrides import load_config, override
from sslax.commands.values import literal, typed

TINY = "tests/train/tiny_config.py"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent.parent)


def one(path, text, config="configs/simclr.py:cifar10"):
    found = load_config(config, [(path, text)])
    for key in path.replace("[", ".").replace("]", "").split("."):
        found = found[int(key) if isinstance(found, list) else key]
    return found


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("batch_size", "512", 512),
        ("evaluate.final", "False", False),
        ("optimizer.learning_rate", "1", 1.0),
        ("data.canvas", "384", 384),  # None in the file
        ("data.canvas", "none", None),
        ("data.on_error", "skip", "skip"),
        ("views.first.scale", "(0.2, 1)", [0.2, 1.0]),
        # Arguments that the file leaves at their defaults.
        ("method.encoder.zero_init", "false", False),
        ("method.encoder.output", "map", "map"),
        ("method.encoder.output", "('map', 'pooled')", ["map", "pooled"]),
        ("method.encoder.selective", "2", 2),
        ("method.encoder.dtype", "none", None),
        ("method.temperature", "0.2", 0.2),
        ("optimizer.exclude", "('bias',)", ["bias"]),
        ("optimizer.schedule.end", "0.1", 0.1),
        ("views.first.kernel_size", "23", 23),
        # Calls, whole or by name.
        ("method.encoder", "resnet50", {"name": "resnet50"}),
        (
            "views.second",
            "dict(name='view', size=32)",
            {"name": "view", "size": 32},
        ),
        ("layout", "fsdp", {"name": "fsdp"}),
        ("evaluate.online", "retrieve", [{"name": "retrieve"}]),
        (
            "evaluate.tasks",
            "('knn', 'retrieve')",
            [{"name": "knn"}, {"name": "retrieve"}],
        ),
    ],
)
def test_every_field_can_be_set(path, text, value):
    assert one(path, text) == value


def test_a_call_can_begin_where_there_is_none():
    config = {"views": {"name": "two_views", "first": {"name": "view", "size": 8}}}
    override(config, "views.second.name", "view")
    override(config, "views.second.size", "9")
    assert config["views"]["second"] == {"name": "view", "size": 9}


def test_data_within_data_may_have_their_short_form():
    changes = [("data.train.first", "folder:/horses/train")]
    changes += [("data.train.second", "dict(name='synthetic', size=8)")]
    pair = load_config("configs/cut.py:cut", changes)["data"]["train"]
    assert pair["first"] == "folder:/horses/train"
    assert pair["second"] == {"name": "synthetic", "size": 8}


def test_fields_that_follow_from_others_follow():
    config = load_config("configs/simclr.py:cifar10", [("epochs", "2")])
    assert config["steps"] == 2 * config["steps_per_epoch"]
    assert config["optimizer"]["schedule"]["steps"] == config["steps"]


def test_items_of_tuples_can_be_set_and_begun():
    tasks = ({"name": "retrieve"}, {"name": "classify"})
    config = {"start": (), "evaluate": {"tasks": tasks}}
    override(config, "start[0].run", "/tmp/x")
    override(config, "start.0.take", "params/encoder")
    assert config["start"] == ({"run": "/tmp/x", "take": "params/encoder"},)
    override(config, "evaluate.tasks[0].recall", "1, 5")
    override(config, "evaluate.tasks[1]", "held_out")
    assert config["evaluate"]["tasks"] == (
        {"name": "retrieve", "recall": (1, 5)},
        {"name": "held_out"},
    )
    with pytest.raises(ValueError, match="retrieve has no field 'recal': did you mean"):
        override(config, "evaluate.tasks[0].recal", "1")
    with pytest.raises(ValueError, match="tasks has 2 items, numbered from 0; got '7'"):
        override(config, "evaluate.tasks[7].k", "1")


def test_stages_are_set_by_their_name(tmp_path):
    file = tmp_path / "staged.py"
    file.write_text(
        "def get_stages():\n"
        "    return {'first': {'method': {}, 'steps': 3}, 'second': {'steps': 4}}\n"
    )
    config = load_config(str(file), [("second.steps", "5")])
    assert config == {"first": {"method": {}, "steps": 3}, "second": {"steps": 5}}


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("batchsize", "1", "the config has no field 'batchsize': did you mean 'batch_"),
        ("method.temperture", "1", "simclr has no field 'temperture': did you mean"),
        ("method.encoder.stam", "x", r"resnet18 has no field 'stam'.*'stem'\?.*width"),
        ("batch_size", "many", "batch_size=many: it takes a whole number.*got 'many'"),
        ("batch_size", "0.5", "it takes a whole number"),
        ("evaluate.final", "maybe", "it takes true or false"),
        ("method.encoder", "3", "it takes a call such as dict"),
        (
            "views.second.size",
            "32",
            "views.second is None and has no fields; begin with --config.views",
        ),
        ("", "3", "needs a field"),
    ],
)
def test_a_slip_is_a_sentence_with_the_nearest_choice(path, text, message):
    with pytest.raises(ValueError, match=message):
        load_config("configs/simclr.py:cifar10", [(path, text)])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("configs/simclar.py", "no config file 'configs/simclar.py': did you mean"),
        (
            "configs/simclr.py:cifar",
            "no variant 'cifar'; the variants are .*'cifar10', 'imagenet'",
        ),
        ("configs/demo.py:large", "'configs/demo.py' has no variants; got 'large'"),
        ("tests/conftest.py", r"no function get_config\(\)"),
    ],
)
def test_a_wrong_file_or_variant_is_named(config, message):
    with pytest.raises(ValueError, match=message):
        load_config(config)


def test_a_config_may_lie_in_another_folder(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "own.py"
    file.write_text(
        "from mine import shared\ndef get_config():\n    return {'steps': shared.N}\n"
    )
    (tmp_path / "mine" / "shared.py").write_text("N = 7\n")
    assert load_config(str(file)) == {"steps": 7}


def test_a_text_is_what_it_says():
    assert literal("1_000") == 1000
    assert literal("cifar10/train[:90%]") == "cifar10/train[:90%]"
    assert typed("1e3", int, "steps") == 1000
    assert typed("constant", float | optax.Schedule, "x") == {"name": "constant"}
    assert typed("0.5", float | optax.Schedule, "x") == 0.5
    assert json.dumps(typed("[1, 2]", tuple[int, ...], "x")) == "[1, 2]"


def leaves(value, path=""):
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from leaves(part, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(x, (dict, list)) for x in value):
        for i, part in enumerate(value):
            yield from leaves(part, f"{path}[{i}]")
    else:
        yield path, value


def as_typed(value):
    if isinstance(value, list):
        return str(tuple(value))
    return value if isinstance(value, str) else str(value).lower()


@pytest.mark.parametrize("name", ["byol:cifar10", "mae", "moco", "rotation", "demo"])
def test_every_field_of_a_config_can_be_given_as_it_is(name):
    file, _, variant = name.partition(":")
    text = f"configs/{file}.py" + (f":{variant}" if variant else "")
    config = load_config(text)
    given = [
        (path, as_typed(value))
        for path, value in leaves(config)
        if value != {}  # an empty mapping has no fields
    ]
    assert len(given) > 40
    assert load_config(text, given) == config


def test_what_stands_in_a_tuple_follows_other_fields_too():
    """The optimizers of `grouped` are pairs in a tuple, with schedules of the run."""
    found = load_config("configs/finetune.py:sample", [("epochs", "3")])
    (_, head) = found["optimizer"]["others"][0]
    assert head["schedule"]["steps"] == found["steps"] == 3 * found["steps_per_epoch"]
