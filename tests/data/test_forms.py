"""The short form of a source, and what follows from it."""

import inspect
import re
import shlex
import typing
from pathlib import Path

import numpy as np
import pytest

from sslax import data
from sslax.commands import options
from sslax.commands.overrides import load_config

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.parametrize(
    ("form", "call"),
    [
        ("cifar10/train", {"name": "tfds", "set": "cifar10", "split": "train"}),
        ("cifar10", {"name": "tfds", "set": "cifar10"}),
        (
            "imagenet2012_subset/1pct/train",
            {"name": "tfds", "set": "imagenet2012_subset/1pct", "split": "train"},
        ),
        ("synthetic/test", {"name": "synthetic", "split": "test"}),
        ("fashion_mnist_sample", {"name": "fashion_mnist_sample"}),
        ("folder:/a/b", {"name": "folder", "path": "/a/b"}),
        ("folder:~/b/val/", {"name": "folder", "path": "~/b", "split": "val"}),
        ("folder:train", {"name": "folder", "path": "train"}),
        ("listed:/a/b.csv", {"name": "listed", "path": "/a/b.csv"}),
        (
            "listed:/a/b.csv/fold 1",
            {"name": "listed", "path": "/a/b.csv", "split": "fold 1"},
        ),
        ("captioned:a/b", {"name": "captioned", "path": "a/b"}),
        ("shards:/a/b", {"name": "shards", "path": "/a/b"}),
        ("shards:/a/val", {"name": "shards", "path": "/a", "split": "val"}),
        ("shards:a/train-*.tar", {"name": "shards", "path": "a/train-*.tar"}),
    ],
)
def test_forms_are_calls(form, call):
    assert data.parse(form) == call
    assert data.parse(f"{form}[:90%]") == {"name": "part", "of": call, "stop": "90%"}
    cut = {"name": "part", "of": call, "start": 10, "stop": -5}
    assert data.parse(f"{form}[10:-5]") == cut
    assert data.parse(f"{form}[:]") == call


@pytest.mark.parametrize("form", ["cifar10/train[a:]", "cifar10/train[:1.5%]", "[:5]"])
def test_forms_that_are_not_understood(form):
    with pytest.raises(ValueError, match="are not understood; write"):
        data.parse(form)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("fashion_mnist_smaple/train", "did you mean 'fashion_mnist_sample'"),
        ("cifra10/train", "did you mean 'cifar10'"),
        ("zzz", "no set is called 'zzz'; There are fashion_mnist_sample"),
        ("synthetic:x", "did you mean 'synthetic'"),
        ("cifar10/train", r"pip install 'sslax\[tf\]', then sslax prepare cifar10"),
        (7, "data are of type int; expected the short form"),
        ([np.zeros((2, 2))], r"type list.*data\.arrays\(images"),
    ],
)
def test_mistakes_in_names(form, message, data_dir, monkeypatch):
    monkeypatch.setenv("SSLAX_DATA_DIR", str(data_dir))
    with pytest.raises(ValueError, match=message):
        data.source(form)


def test_a_missing_split_names_the_others(sample, data_dir, monkeypatch):
    with pytest.raises(ValueError, match="no split 'val'; it has train, test"):
        data.fashion_mnist_sample(split="val", data_dir=data_dir)
    monkeypatch.setenv("SSLAX_DATA_DIR", str(data_dir))
    part = data.source("fashion_mnist_sample/train[:10]")
    assert len(part) == 10
    np.testing.assert_array_equal(part[9]["image"], sample["train"][9]["image"])


def test_a_folder_has_the_test_part_that_lies_in_it(folder):
    root = folder({f"{s}/{c}/1.jpg": None for s in ("train", "val") for c in "ab"})
    found = {"name": "folder", "path": str(root), "split": "val"}
    assert data.test_of(f"folder:{root}") == found
    assert data.test_of(f"folder:{root}/train[:80%]") == found
    assert data.test_of({"name": "subset", "of": f"folder:{root}"}) == found
    assert data.test_of(f"folder:{root}/train/a") is None
    assert data.test_of(f"folder:{root}/val") is None
    assert data.test_of(f"folder:{root}/all") is None
    # One with classes comes before one without, as in ImageNet's folders.
    folder({"test/1.jpg": None})
    assert data.test_of(f"folder:{root}") == found
    folder({"test/a/1.jpg": None})
    assert data.test_of(f"folder:{root}") == {**found, "split": "test"}


def test_sets_have_the_test_part_that_they_know(sample, data_dir, monkeypatch):
    monkeypatch.setenv("SSLAX_DATA_DIR", str(data_dir))
    wanted = {"name": "fashion_mnist_sample", "split": "test"}
    assert data.test_of("fashion_mnist_sample/train[:10%]") == wanted
    wanted = {"name": "tfds", "set": "fashion_mnist_sample", "split": "test"}
    call = {"name": "tfds", "set": "fashion_mnist_sample", "split": "train"}
    assert data.test_of(call) == wanted
    assert data.test_of({"name": "unpaired", "first": "", "second": ""}) is None


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ("cifar10/train[:10%]", (5, 32, 32, 3)),
        ("fashion_mnist_sample/train", (5, 28, 28, 1)),
        ("fashion_mnist", (5, 28, 28, 1)),
    ],
)
def test_sets_are_known_before_they_are_there(form, shape, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLAX_DATA_DIR", str(tmp_path))
    known = data.described(form)
    assert data.shapes(known, batch_size=5)["image"].shape == shape
    assert known.num_classes == 10
    assert not list(tmp_path.iterdir())


def test_what_is_not_known_before_it_is_there():
    assert data.described("folder:/anywhere") is None
    assert data.described("zzz/train") is None
    known = data.described("imagenet2012/train")
    with pytest.raises(ValueError, match=r"--config\.data\.canvas=256"):
        data.shapes(known, batch_size=5)
    shapes = data.shapes(known, batch_size=5, canvas=64)
    assert shapes["image"].shape == (5, 64, 64, 3)
    assert shapes["box"].shape == (5, 4)


def test_the_python_of_the_page_does_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(code, names)
    assert names["loader"].batch(3)["weight"].shape == (8,)
    assert len(names["few"]) == 20
    mean, deviation = names["normalize"]
    pixels = np.load("cells.npy").reshape(-1, 5) / 65535
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-6)
    np.testing.assert_allclose(deviation, pixels.std(0), rtol=1e-6)
    assert names["groups"] == [[7, 60]]


def test_the_commands_of_the_page_are_understood():
    """Options and fields are there; what they read is not."""
    text = PAGE.read_text().replace("\\\n", " ")
    lines = [line.split("#")[0] for line in re.findall(r"^ +(sslax .*)$", text, re.M)]
    assert len(lines) >= 9
    for line in lines:
        _, name, *arguments = shlex.split(line)
        found = options.parse(name, arguments)
        if getattr(found, "config", None):
            assert load_config(found.config, found.overrides)["data"]["train"]
    call = load_config("simclr", _overrides(lines, "/data/sat"))
    assert call["data"]["train"]["channels"] == 13
    assert call["views"]["first"]["jitter"] is None


def _overrides(lines, word):
    [line] = [line for line in lines if word in line]
    return options.parse("pretrain", shlex.split(line)[2:]).overrides


def test_the_page_names_every_source():
    text = PAGE.read_text()
    made = {name: inspect.unwrap(getattr(data, name)) for name in data.__all__}
    hints = {
        name: typing.get_type_hints(function)
        for name, function in made.items()
        if inspect.isfunction(function)
    }
    sources = [n for n, hint in hints.items() if hint.get("return") is data.Source]
    assert len(sources) >= 11
    for name in set(sources) - {"fashion_mnist", "in_memory", "source"}:
        assert f"{name}(" in text, name
    for form, call in re.findall(
        r"^\| `(\w[^`, ]*)`.*?\| `(\w+)\(", text, re.MULTILINE
    ):
        assert data.parse(form)["name"] == call
