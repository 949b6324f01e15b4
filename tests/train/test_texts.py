"""A run of images and captions: its tokenizer, its readings, what it is asked."""

import json
import re
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from sslax import data
from sslax.results import evaluation
from sslax.results.asking import classify_images, search_images
from sslax.train import readings
from sslax.train.loop import pretrain
from sslax.train.online import online_evaluation
from tests.train.test_loop import tiny

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("texts")

LABELS = ["disc", "ring", "star"]


def told(**changes):
    """CLIP on drawn objects of 16 pixels."""
    config = tiny(**{"evaluate.every": 0, "evaluate.final": True, **changes})
    config["data"]["train"] = dict(name="objects", size=16, length=64)
    config["data"]["tokenizer"] = dict(name="byte_pairs", words=700, context=28)
    config["views"] = dict(name="one_view", view=dict(name="view", size=16))
    size = dict(dim=4, width=8, depth=1, heads=2)
    config["method"] = dict(
        name="clip",
        encoder=dict(name="clip_vit", patch_size=8, **size),
        text=dict(name="clip_text", words=700, context=28, **size),
    )
    config["evaluate"]["tasks"] = [
        dict(name="zero_shot", templates=["a {}"], examples=32),
        dict(name="retrieve", examples=32),
    ]
    config["evaluate"]["online"] = config["evaluate"]["tasks"]
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    made, state = pretrain(told(steps=4), str(folder))
    return folder, made, state


def test_a_run_goes_on_with_the_vocabulary_that_it_began_with(
    run, tmp_path, monkeypatch
):
    folder, made, state = run
    stored = (folder / "tokenizer.json").read_text()
    assert made.tokenizer.stored == stored
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    shutil.rmtree(cut / "checkpoints" / "4")
    # Captions train no vocabulary again.
    monkeypatch.setattr("sslax.data.captions_of", lambda source: iter([""]))
    _, after = pretrain(told(steps=4), str(cut))
    jax.tree.map(np.testing.assert_array_equal, after.params, state.params)
    (cut / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"tokenizer\.json' is gone: without the voca"):
        pretrain(told(steps=4), str(cut))


def test_classes_and_captions_are_read_at_the_end_and_online(run, tmp_path):
    _, made, state = run
    results = evaluation.evaluate_run(made, state, str(tmp_path))
    found = {"zero_shot", "zero_shot_top_5", "image_to_text_recall@1", "mAP"}
    assert found <= set(results["network"])
    assert "zero_shot" not in results["raw pixels"]
    assert results["network"]["zero_shot_top_5"] != results["network"]["zero_shot"]
    assert found <= set(online_evaluation(made)(state))


def test_a_task_of_fewer_images_is_no_sample_of_them(run, tmp_path, monkeypatch):
    """Pixels are not asked for names, and have as many images of what they are."""
    _, made, state = run
    tasks = [dict(name="zero_shot", templates=["a {}"]), dict(name="retrieve")]
    tasks[1]["examples"] = 32
    evaluate = {**made.config["evaluate"], "tasks": tasks}
    made = made._replace(config={**made.config, "evaluate": evaluate})
    evaluation.evaluate_run(made, state, str(tmp_path))
    saved = json.loads((tmp_path / "evaluation.json").read_text())
    assert not [note for note in saved["notes"] if "sample" in note]
    monkeypatch.setattr(readings, "sampled", lambda *_: 20)
    results = evaluation.evaluate_run(made, state, str(tmp_path))
    saved = json.loads((tmp_path / "evaluation.json").read_text())
    assert "raw pixels: a sample of 20 images of test" in saved["notes"]
    assert [row["images"] for row in results.values()] == [64, 20, 20]


def test_captions_that_are_too_long_are_told_before_the_first_step(tmp_path):
    config = told(steps=4)
    config["data"]["tokenizer"] = dict(name="byte_pairs", words=700, context=9)
    with pytest.raises(ValueError, match="and a context of 9 has room for 7"):
        pretrain(config, str(tmp_path))
    assert not (tmp_path / "tokenizer.json").exists()


@pytest.fixture
def pictures(tmp_path):
    """Images of several sizes in a folder."""
    for i, size in enumerate((16, 20, 24)):
        image = data.objects(size=size)[i]["image"]
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    return tmp_path


def test_labels_of_an_image_share_it(run, pictures):
    paths = [str(pictures / f"{i}.png") for i in range(3)]
    found = classify_images(str(run[0]), paths, LABELS, templates=["a {}"])
    assert found.shape == (3, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
    turned = classify_images(str(run[0]), paths[::-1], LABELS[::-1], templates=["a {}"])
    np.testing.assert_allclose(turned[::-1, ::-1], found, rtol=1e-4)
    with pytest.raises(ValueError, match="two labels or more"):
        classify_images(str(run[0]), paths, ["disc"])
    with pytest.raises(ValueError, match=r"there is no file '/no/such\.png'"):
        classify_images(str(run[0]), ["/no/such.png"], LABELS)


def test_an_image_finds_itself_and_a_text_finds_images(run, pictures):
    page, asked = pictures / "page.html", [str(pictures / "1.png"), "a grey ring"]
    image, text = search_images(
        str(run[0]), f"folder:{pictures}", asked, str(page), count=2
    )
    assert image.places[0].endswith("1.png")
    assert image.cosines[0] == pytest.approx(1.0, abs=1e-5)
    assert len(text.places) == len(text.cosines) == 2
    assert page.read_text().count("data:image/png") == 5
    assert "a grey ring" in page.read_text()


def test_a_page_calls_files_by_their_names_and_drawn_images_by_their_numbers(
    run, pictures
):
    page = pictures / "page.html"
    for name, said in (
        (f"folder:{pictures}", r">-?[01]\.\d{3} [012]\.png<"),
        ("objects/test", r">-?[01]\.\d{3} example \d+ of objects/test<"),
    ):
        (found,) = search_images(str(run[0]), name, ["a ring"], str(page), count=3)
        assert len(re.findall(said, page.read_text())) == len(found.places) == 3


def test_a_method_without_texts_is_asked_by_images_alone(tmp_path, pictures):
    folder = tmp_path / "run"
    pretrain(tiny(steps=2, **{"evaluate.every": 0}), str(folder))
    asked = [str(pictures / "2.png")]
    (found,) = search_images(
        str(folder), f"folder:{pictures}", asked, str(tmp_path / "a.html")
    )
    assert found.places[0].endswith("2.png")
    with pytest.raises(ValueError, match="'a cat' is no image file, and simclr reads"):
        search_images(
            str(folder), f"folder:{pictures}", ["a cat"], str(tmp_path / "b.html")
        )
    with pytest.raises(ValueError, match="simclr reads no texts"):
        classify_images(str(folder), asked, LABELS)
