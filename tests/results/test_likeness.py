"""What a run is asked about other images: features in files, and which are alike."""

import json

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from sslax.commands import main, options
from sslax.results import embedding, likeness
from sslax.train.loop import first_state
from sslax.train.run import build_run, open_other
from tests.train.test_loop import tiny


def picture(seed, size=16):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(low).resize((size, size), Image.Resampling.NEAREST)


@pytest.fixture
def images(tmp_path):
    """Two classes of images of several sizes; some twice, some of other modes."""
    root = tmp_path / "images"
    for i, name in enumerate(("a/0", "a/1", "a/2", "b/0", "b/1", "b/2")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(i, size=16 + 8 * (i == 5)).save(root / f"{name}.png")
    picture(0).save(root / "b/copy of a0.png")
    picture(1).convert("RGBA").save(root / "a/copy of a1.png")
    picture(6).convert("L").save(root / "a/grey.png")
    return root


@pytest.fixture(scope="module")
def begun():
    run = build_run(tiny(**{"evaluate.every": 0}))
    return run, first_state(run)


@pytest.fixture
def opened(begun, monkeypatch):
    """The run of a small config before its first step, in place of a folder."""
    for module in (embedding, likeness):
        monkeypatch.setattr(module, "open_trained", lambda *given, **seen: begun)


def command(name, *arguments):
    found = options.parse(name, ["--workdir=run", *arguments])
    found.say = lambda words: None
    return main.guarded(name, found)


def test_any_folder_is_embedded_with_the_names_of_its_files(opened, images, tmp_path):
    form, out = f"--data=folder:{images}", tmp_path / "out"
    for kind in ("npz", "parquet"):
        assert command("embed", form, f"--out={out}.{kind}") == 0
    saved = np.load(f"{out}.npz")
    files = [f"a/{x}.png" for x in ("0", "1", "2", "copy of a1", "grey")]
    files += [f"b/{x}.png" for x in ("0", "1", "2", "copy of a0")]
    assert saved["files"].tolist() == files
    assert saved["labels"].tolist() == [0] * 5 + [1] * 4
    assert saved["features"].shape == (9, 8)
    np.testing.assert_array_equal(saved["features"][0], saved["features"][8])
    table = parquet.read_table(f"{out}.parquet").to_pydict()
    assert list(table) == ["index", "file", "class", "features"]
    assert table["file"] == files
    assert table["class"] == ["a"] * 5 + ["b"] * 4
    np.testing.assert_array_equal(
        np.array(table["features"], np.float32), saved["features"]
    )
    assert not list(tmp_path.glob("*.part"))


def test_alike_images_are_on_a_page_and_in_numbers(opened, images, tmp_path, capsys):
    page = tmp_path / "alike.html"
    asked = [f"--data=folder:{images}", f"--out={page}", "--threshold=0.999999"]
    assert command("neighbours", *asked, "--count=3") == 0
    told = capsys.readouterr().out
    assert "9 images of folder:" in told
    assert "2 pairs of cosine 0.999999 or more, in 2 groups" in told
    found = json.loads(page.with_suffix(".json").read_text())
    assert found["listed groups"] == [
        ["a/0.png", "b/copy of a0.png"],
        ["a/1.png", "a/copy of a1.png"],
    ]
    assert [pair[2] for pair in found["listed pairs"]] == [1.0, 1.0]
    first = found["nearest"][0]
    assert (first["image"], first["class"]) == ("a/0.png", "a")
    assert first["nearest"][0] == ["b/copy of a0.png", 1.0]
    assert [len(one["nearest"]) for one in found["nearest"]] == [3] * 9
    text = page.read_text()
    assert text.count("data:image/png") == 2 * 2 + 2 * 2 + 9 * 4
    assert "1.0000, two classes" in text
    assert ">1.0000 b/copy of a0.png</small>" in text
    # Chosen images, by file or by whole path.
    assert command("neighbours", *asked, "b/2.png", f"{images}/a/grey.png") == 0
    found = json.loads(page.with_suffix(".json").read_text())
    assert [one["image"] for one in found["nearest"]] == ["b/2.png", "a/grey.png"]
    assert len(found["nearest"][0]["nearest"]) == 8
    assert command("neighbours", *asked, "c.png") == 2
    assert "does not have, the first 'c.png'" in capsys.readouterr().err


def test_other_images_are_read_as_the_run_s_own(images, caplog):
    grey = tiny(**{"evaluate.every": 0})
    grey["data"] |= dict(canvas=16, on_error="skip")
    grey["data"]["train"] = dict(name="folder", path=str(images), channels=1, bits=16)
    grey |= dict(examples=8, batch_size=8)
    with pytest.raises(ValueError, match=r"made for 8 examples, and folder.* has 9"):
        build_run(grey)
    # A run that is only read may have been trained when there were fewer.
    read = build_run(grey, trains=False)
    assert "has 9 examples now; the run was trained on 8" in caplog.text
    run, source = open_other(read, f"folder:{images}/all[:50%]")
    assert source[0]["image"].shape[-1] == 1
    assert source[0]["image"].dtype == np.uint16
    assert source.on_error == "skip"
    assert run.config["data"]["canvas"] == 16
    with pytest.raises(
        ValueError, match=r"synthetic/train have 3 channels; the run .* 1"
    ):
        open_other(run, "synthetic/train")


def test_mistakes_are_told_before_the_run_is_read(tmp_path, capsys):
    for name, arguments, message in (
        ("embed", [f"--out={tmp_path}/none/x.csv"], "there is no folder"),
        ("embed", ["--out=x.txt"], "as .npz, .csv or .parquet; got 'x.txt': name it x"),
        ("neighbours", ["--out=x.pdf"], "as .html; got 'x.pdf': name it x.html"),
        ("neighbours", ["--count=0"], "--count is at least 1"),
    ):
        assert command(name, *arguments) == 2
        assert message in capsys.readouterr().err


def test_a_split_is_one_of_the_run_s_own_data(opened, tmp_path, capsys):
    out = f"--out={tmp_path}/x.npz"
    assert command("embed", "--data=folder:/pets", "--split=val", out) == 2
    assert "it is --data=folder:/pets/val" in capsys.readouterr().err
