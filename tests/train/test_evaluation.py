"""The full evaluation of a run: baselines beside it, files, features, the report."""

import json

import jax
import numpy as np
import pytest

from sslax import augment, data
from sslax.train import evaluation, together
from sslax.train.embedding import compile_embed, embed_source, eval_images
from sslax.train.gallery import gallery
from sslax.train.loop import first_state, pretrain
from sslax.train.run import build_run
from tests.train.test_loop import tiny

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("evaluation")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = tiny(steps=4, **{"evaluate.every": 0})
    config["normalize"] = "half"
    config["data"]["train"]["length"] = config["examples"] = 96
    run, state = pretrain(config, str(folder))
    return folder, run, state


def test_numbers_stand_beside_their_baselines(run, capsys):
    folder, run, state = run
    results = evaluation.evaluate_run(run, state, str(folder))
    assert list(results) == ["network", "random network", "raw pixels"]
    saved = json.loads((folder / "evaluation.json").read_text())
    assert saved["step"] == 4
    assert saved["results"] == results
    for name in ("knn", "linear", "linear_1_per_class"):
        values = [results[row][name] for row in results]
        assert all(0 <= v <= 100 for v in values)
        # Three different sets of features do not agree to the last digit.
    assert len({results[row]["rankme"] for row in results}) == 3
    assert results["raw pixels"]["dimensions"] == 16 * 16 * 3
    assert 0 < results["network"]["alignment"] < 4
    printed = capsys.readouterr().out
    assert "random network" in printed
    report = (folder / "report.html").read_text()
    assert report.count("data:image/png") > 10
    assert "raw pixels" in report


def test_raw_pixels_are_not_normalized(run):
    _, run, _ = run
    assert run.config["normalize"] == "half"
    source = evaluation.open_source(run.config, "test")
    labels = np.arange(len(source))
    ((pixels, same),) = evaluation._pixels(run, [source], [(None, labels)])
    assert pixels.shape == (len(source), 16, 16, 3)
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert same is labels


def test_features_are_those_of_normalized_images(run, tmp_path):
    folder, run, state = run
    out = tmp_path / "features.npz"
    evaluation.embed_run(str(folder), str(out))
    saved = np.load(out)
    source = data.in_memory(evaluation.open_source(run.config, "test"))
    images = augment.normalize(
        augment.to_float(jax.numpy.asarray(source.arrays["image"])), statistics="half"
    )
    expected = jax.jit(run.program.method.embed)(state.params, state.extra, images)
    np.testing.assert_allclose(saved["features"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(saved["labels"], source.arrays["label"])


def test_the_last_batch_is_kept(run):
    _, run, state = run
    source = evaluation.open_source(run.config, "test")
    embed = compile_embed(
        run.program.method, run.program.views, run.program.mesh, run.program.shapes
    )
    features, labels = embed_source(
        embed, state, data.part(of=source, stop=21), run.mesh, batch_size=16
    )
    assert features.shape[0] == labels.shape[0] == 21


def test_large_images_are_shrunk_for_raw_pixels():
    source = data.synthetic(size=48, length=5)

    def view(key, batch):
        return {"views": (augment.to_float(batch["image"]),)}

    assert eval_images(view, source, batch_size=4).shape == (5, 32, 32, 3)


def test_mistakes_are_named(run, tmp_path):
    folder, *_ = run
    with pytest.raises(ValueError, match=r"has not step 3; it has \[2, 4\]"):
        evaluation.restore_run(str(folder), 3)
    with pytest.raises(ValueError, match="holds no run"):
        evaluation.restore_run(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="did you mean 'train'"):
        evaluation.embed_run(str(folder), str(tmp_path / "x.npz"), split="trian")


def test_reconstructions_show_image_visible_part_and_painting():
    """For MAE: what is visible is the image, the rest is painted; units undone."""
    config = tiny(steps=2, **{"evaluate.every": 0})
    view = {"name": "view", "size": 16}
    config["normalize"] = "half"
    mask = {"name": "hide_patches", "patch_size": 4}
    config["views"] = {"name": "masked", "view": view, "mask": mask}
    small = {"width": 8, "depth": 1, "heads": 2, "patch_size": 4}
    config["method"] = {
        "name": "mae",
        "encoder": {"name": "mae_encoder", **small},
        "decoder": {"name": "mae_decoder", **small},
        "patch_size": 4,
    }
    run = build_run(config)
    state = first_state(run)
    sources = [evaluation.open_source(config, split) for split in ("train", "test")]
    features = [(np.eye(64, dtype=np.float32), np.arange(64) % 8)] * 2
    pictures = gallery(run, state, sources, features)
    image, visible, painted = pictures["reconstructions"]
    assert image.shape == visible.shape == painted.shape == (8, 16, 16, 3)
    hidden = (visible == 128).all(axis=-1)
    assert hidden.mean() == pytest.approx(0.75, abs=0.02)
    np.testing.assert_array_equal(visible[~hidden], image[~hidden])
    off = np.abs(painted[~hidden].astype(int) - image[~hidden].astype(int))
    assert off.max() <= 1  # rounding of the normalisation and back
    assert (painted[hidden] != image[hidden]).mean() > 0.5
    assert image.std() > 20  # in [0, 255] again


BATCHES = [{"index": np.array([0, 1])}, {"index": np.array([2, 3])}]


@pytest.mark.parametrize(
    ("theirs", "good"),
    [
        ([BATCHES[0], {"index": np.array([3, 4])}], 1),
        (BATCHES[:1], 1),
        ([*BATCHES, BATCHES[1]], 2),
    ],
)
def test_processes_that_read_different_examples_stop(theirs, good, monkeypatch):
    """One of two skips an image: rows of all devices would be mixed up."""
    told: list[str] = []
    monkeypatch.setattr(together, "gathered", lambda said: told.append(said) or [said])
    assert list(together.same_rows(theirs)) == theirs
    monkeypatch.setattr(together, "gathered", lambda said: [said, told.pop(0)])
    rows = together.same_rows(BATCHES)
    for batch in BATCHES[:good]:
        assert next(rows) is batch
    with pytest.raises(ValueError, match="read different examples"):
        list(rows)
