"""Translations against images of the target domain, by the features of a run."""

import json

import numpy as np
import pytest
from PIL import Image

from sslax import evaluate
from sslax.commands import main, options
from sslax.results import distances
from sslax.train.loop import first_state
from sslax.train.run import build_run
from tests.results.test_translating import opened
from tests.train.test_loop import tiny

COUNT = 24


def written(folder, low, high, *, size=16):
    """Images of some brightness."""
    rng = np.random.default_rng(low)
    folder.mkdir()
    for i in range(COUNT):
        pixels = rng.integers(low, high, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    return f"folder:{folder}"


@pytest.fixture(scope="module")
def begun():
    run = build_run(tiny(**{"evaluate.every": 0}))
    return run, first_state(run)


@pytest.fixture
def judging(begun, monkeypatch):
    """A run before its first step, in place of a folder."""
    seen = []

    def open_trained(*given, **options):
        seen.append((given, options))
        return begun

    monkeypatch.setattr(distances, "open_trained", open_trained)
    return seen


def command(*arguments):
    found = options.parse("translate", ["--workdir=run", *arguments])
    found.say = lambda words: None
    return main.guarded("translate", found)


def test_translations_stand_beside_images_as_they_are(
    judging, monkeypatch, tmp_path, capsys
):
    """Colours are turned into their opposites: dark images become bright ones."""
    opened(monkeypatch, "tests.results.test_translating:turned_colours")
    dark = written(tmp_path / "dark", 0, 60)
    bright = written(tmp_path / "bright", 195, 255)
    out = tmp_path / "out"
    given = [f"--data={dark}", f"--out={out}", f"--compare={bright}"]
    assert command(*given, "--encoder=judge", "--normalize=clip") == 0
    seen = {"train": bright, "image_size": None, "normalize": "clip"}
    assert judging == [(("judge",), seen)]
    told = json.loads((out / "distances.json").read_text())
    assert told["features"].startswith("simclr, step 0 of judge, ")
    assert told["target"].endswith(f", {COUNT} images")
    rows = told["results"]
    assert [*rows] == ["translations", "images as they are", distances.FLOOR]
    assert [r["images"] for r in rows.values()] == [COUNT, COUNT, COUNT / 2]
    by = {name: row["frechet"] for name, row in rows.items()}
    assert by["translations"] < 0.1 * by["images as they are"]
    assert rows["translations"]["kid"] < 0.1 * rows["images as they are"]["kid"]
    printed = capsys.readouterr().out
    assert told["features"] in printed
    assert distances.distance_table(rows) in printed
    # What is read is what was written.
    judge = distances.open_judge("judge", bright)
    made = distances.judge(judge, {"again": distances.open_other(judge.run, dark)[1]})
    assert made["again"] == pytest.approx(rows["images as they are"])


def test_rows_are_distances_to_the_target_and_of_its_halves():
    rng = np.random.default_rng(0)
    target, near, far = (rng.normal(size=(200, 6)) + x for x in (0, 0, 2))
    rows = distances.distance_rows(target, {"far": far, "near": near})
    assert [*rows] == ["far", "near", distances.FLOOR]
    expected = evaluate.frechet_distance(far, target)
    assert rows["far"]["frechet"] == pytest.approx(expected)
    assert rows["far"]["kid"] > 10 * abs(rows["near"]["kid"])
    assert rows[distances.FLOOR]["frechet"] < 0.1 * expected
    # Halves of an ordered set are drawn: of each kind there is half in both.
    ordered = np.concatenate([target, far])
    floor = distances.distance_rows(ordered, {})[distances.FLOOR]
    assert floor["frechet"] < 0.1 * expected


def test_what_cannot_be_compared_is_told_beforehand(judging, monkeypatch, tmp_path):
    form = written(tmp_path / "few", 0, 60)
    with pytest.raises(ValueError, match=r"has 3 images; .* 4 are the fewest"):
        distances.open_judge("judge", f"{form}[:13%]")
    grey = tiny(**{"data.test": "fashion_mnist_sample/test"})
    monkeypatch.setattr(distances, "read_config", lambda workdir: grey)
    by = distances.open_judge("judge", form)
    with pytest.raises(ValueError, match="have 1 channels; the run was trained on"):
        distances.untranslated(by, "run", None)
