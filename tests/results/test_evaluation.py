"""The full evaluation of a run: baselines beside it, files, features, the report."""

import csv
import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from sslax import augment, data, scratch
from sslax.commands.show_views import show_views
from sslax.results import evaluation, gallery
from sslax.results.embedding import embed_run
from sslax.train import batch_outputs, checks, outputs, readings, samples
from sslax.train.loop import first_state, pretrain
from sslax.train.online import best_number, online_evaluation
from sslax.train.outputs import losses_of, outputs_of
from sslax.train.run import build_run, open_source
from sslax.train.writers import read_jsonl
from tests.train.test_loop import tiny

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("evaluation")
PIXEL = (batch_outputs.PIXELS,)


def small(**changes):
    """A config of drawn shapes, without an SGD probe."""
    config = tiny(**{"evaluate.every": 0, "evaluate.final": True, **changes})
    config["normalize"] = "half"
    config["evaluate"]["tasks"] = [dict(name="classify", k=5, draws=2)]
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = small(steps=4)
    config["data"]["test"] = dict(name="synthetic", split="test", size=16, length=40)
    config["evaluate"]["tasks"] += [
        dict(name="retrieve", recall=[1, 5], examples=30),
        dict(name="held_out"),
    ]
    run, state = pretrain(config, str(folder))
    return folder, run, state


def test_numbers_stand_beside_their_baselines(run, capsys):
    folder, made, state = run
    results = evaluation.evaluate_run(made, state, str(folder))
    assert list(results) == ["network", "random network", "raw pixels"]
    saved = json.loads((folder / "evaluation.json").read_text())
    assert saved["step"] == 4
    assert saved["results"] == results
    for name in ("knn", "linear", "linear_1_per_class", "recall@5", "mAP"):
        assert all(0 <= numbers[name] <= 100 for numbers in results.values())
    # Three different sets of features do not agree to the last digit.
    assert len({results[row]["rankme"] for row in results}) == 3
    assert results["raw pixels"]["dimensions"] == 16 * 16 * 3
    assert 0 < results["network"]["alignment"] < 4
    assert "held_out_loss_ssl" in results["random network"]
    assert "held_out_loss_ssl" not in results["raw pixels"]
    printed = capsys.readouterr()
    assert "random network" in printed.out
    for said in (
        "network: classify ... ",
        "features of 30 images of test",
        "raw pixels",
    ):
        assert f"evaluating {said}" in printed.err or said in printed.err
    report = (folder / "report.html").read_text()
    assert report.count("data:image/png") > 10
    assert "raw pixels" in report


def test_features_are_those_of_normalized_images_in_order(run, tmp_path):
    folder, made, state = run
    out = tmp_path / "features.npz"
    embed_run(str(folder), str(out))
    saved = np.load(out)
    source = data.in_memory(open_source(made.config, "test"))
    images = augment.normalize(
        augment.to_float(jax.numpy.asarray(source.arrays["image"])), statistics="half"
    )
    features = jax.jit(made.program.method.outputs["features"])
    batch = {"views": (images,)}
    expected = features(state.params, state.extra, batch, key=jax.random.key(0))
    np.testing.assert_allclose(saved["features"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(saved["labels"], source.arrays["label"])
    assert saved["index"].tolist() == list(range(40))
    assert saved["class_names"].tolist() == list(source.class_names)
    with pytest.raises(ValueError, match="did you mean 'train'"):
        embed_run(str(folder), str(out), split="trian")
    table = tmp_path / "features.csv"
    embed_run(str(folder), str(table))
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    width = saved["features"].shape[1]
    assert list(rows[0]) == ["index", "class", *(f"f{i}" for i in range(width))]
    got = [[row[f"f{i}"] for i in range(width)] for row in rows]
    np.testing.assert_array_equal(np.array(got, np.float32), saved["features"])
    named = [saved["class_names"][label] for label in saved["labels"]]
    assert [row["class"] for row in rows] == named
    with pytest.raises(ValueError, match=r"or .parquet; got '.*features.txt'"):
        embed_run(str(folder), str(tmp_path / "features.txt"))


def test_rows_that_do_not_fill_a_batch_are_read_and_whole_batches_judge(run):
    _, made, state = run
    source = open_source(made.config, "test")
    rows = np.array([3, 4, 7, *range(10, 31)])
    split = outputs_of(made, ("features", "pixels"))(state, source, rows=rows)
    assert split.index.tolist() == rows.tolist()
    assert split.labels.tolist() == [i % 8 for i in rows]
    assert split.outputs["pixels"].shape == (24, 16, 16, 3)
    assert 0 <= split.outputs["pixels"].min() < split.outputs["pixels"].max() <= 1
    pictures = split.images(np.array([1]))
    np.testing.assert_array_equal(pictures[0], source[4]["image"])
    # Of 40 images two batches of 16; the last 8 do not fill one.
    losses = losses_of(made, "ssl")(state, source)
    assert losses.shape == (2,)
    assert np.isfinite(losses).all()


def test_the_best_checkpoint_is_told_without_labels(tmp_path):
    config = tiny(steps=6, **{"evaluate.every": 2, "checkpoint.keep": 1})
    config["evaluate"]["online"] = [
        dict(name="rankme"),
        dict(name="lidar", views=3),
        dict(name="alpha_req", first=2),
    ]
    pretrain(config, str(tmp_path))
    rows = read_jsonl(tmp_path / "metrics.jsonl")
    ranks = {row["step"]: row["rankme"] for row in rows if "rankme" in row}
    assert list(ranks) == [2, 4, 6]
    assert all({"lidar", "alpha", "alpha_req"} <= set(row) for row in rows)
    best = max(ranks, key=ranks.get)
    kept = {int(p.name) for p in (tmp_path / "checkpoints").iterdir()}
    assert kept == {best, 6}
    _, state = evaluation.restore_run(str(tmp_path), "best")
    assert int(state.step) == best


def test_mistakes_are_named(run, tmp_path):
    folder, *_ = run
    with pytest.raises(ValueError, match="no best checkpoint: nothing was evaluated"):
        evaluation.restore_run(str(folder), "best")
    with pytest.raises(
        ValueError, match="no checkpoint of step 3; it has those of 2, 4"
    ):
        evaluation.restore_run(str(folder), 3)
    with pytest.raises(ValueError, match="holds no run"):
        evaluation.restore_run(str(tmp_path / "nothing"))


def test_a_folder_that_cannot_be_written_is_refused_first(run, tmp_path, monkeypatch):
    _, made, state = run
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(
        evaluation, "read_network", lambda *_, **__: pytest.fail("read")
    )
    with pytest.raises(ValueError, match=r"cannot be written.*evaluate a copy of it"):
        evaluation.evaluate_run(made, state, str(tmp_path / "file" / "run"))


def test_numbers_are_on_disk_before_a_picture_fails(run, tmp_path, monkeypatch):
    _, made, state = run

    def fail(*args, **kwargs):
        assert (tmp_path / "evaluation.json").exists()
        raise RuntimeError("no paint")

    monkeypatch.setattr(gallery, "pictures", fail)
    only = [dict(name="knn", k=3)]
    config = {**made.config, "evaluate": {**made.config["evaluate"], "tasks": only}}
    evaluation.evaluate_run(made._replace(config=config), state, str(tmp_path))
    text = (tmp_path / "report.html").read_text()
    assert "views could not be drawn: no paint" in text
    assert "Nearest neighbours" in text


def folder_of(path, names, *, broken=()):
    rng = np.random.default_rng(0)
    for i, name in enumerate(names):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        level = np.full((16, 16, 3), 11 * i + 8, np.uint8)
        Image.fromarray(level + rng.integers(0, 9, level.shape, np.uint8)).save(file)
        if name in broken:
            file.write_bytes(file.read_bytes()[:60])


@pytest.mark.parametrize("memory", [True, False])
def test_bad_images_leave_pictures_and_labels_in_their_place(tmp_path, memory):
    names = [f"{c}/{i}.png" for c in ("a", "b") for i in range(10)]
    folder_of(tmp_path, names, broken=("a/2.png", "b/0.png"))
    config = small()
    config |= dict(examples=20, steps=2)
    config["data"] |= dict(train=f"folder:{tmp_path}", on_error="skip", canvas=16)
    made = build_run(config)
    source = open_source(config, "train")
    if memory:
        source = data.in_memory(source, canvas=16)
    split = outputs_of(made, ("features",))(first_state(made), source)
    assert split.index.tolist() == [i for i in range(20) if i not in (2, 10)]
    assert split.labels.tolist() == [0] * 9 + [1] * 9
    shown = split.images(np.arange(18)).mean(axis=(1, 2, 3))
    levels = [11 * i + 12 for i in split.index]
    np.testing.assert_allclose(shown, levels, atol=2)


def test_without_labels_or_a_test_split_there_is_a_report_without_probes(
    tmp_path, capsys
):
    folder_of(tmp_path / "images", [f"{i}.png" for i in range(18)])
    config = small()
    config |= dict(examples=18, steps=2)
    config["data"] |= dict(train=f"folder:{tmp_path / 'images'}", canvas=16)
    made, state = pretrain(config, str(tmp_path / "run"))
    lines = checks.check_evaluation(made)
    assert any("no labels: no kNN and no probes" in line for line in lines)
    assert any("there is no test split" in line for line in lines)
    results = evaluation.evaluate_run(made, state, str(tmp_path / "run"))
    assert "rankme" in results["network"]
    assert "alignment" in results["network"]
    assert "knn" not in results["network"]
    text = (tmp_path / "run" / "report.html").read_text()
    for heading in ("Views", "Nearest neighbours", "Map of the features", "Curves"):
        assert f"<h2>{heading}</h2>" in text
    assert "left out" in capsys.readouterr().out


def test_labels_that_are_all_below_0_are_none():
    made, source = build_run(small()), data.synthetic(size=16, length=8)

    def unknown(indices, draws):
        return [{**example, "label": -1} for example in source.read(indices, draws)]

    state, read = first_state(made), outputs_of(made, ("features",))
    assert read(state, source).labels is not None
    assert read(state, dataclasses.replace(source, read=unknown)).labels is None


def test_what_an_evaluation_lacks_is_said_before_training(tmp_path):
    def checked(task, **data_changes):
        config = small()
        config["evaluate"]["tasks"] = [task]
        config["data"] |= data_changes
        return checks.check_evaluation(build_run(config))

    assert checked(dict(name="classify")) == []
    with pytest.raises(
        ValueError, match="segment needs the output 'map', which simclr"
    ):
        checked(dict(name="segment"))
    wrong = mae_config()  # patches of 4 pixels do not fill 18
    wrong["evaluate"]["views"]["view"]["size"] = 18
    with pytest.raises(ValueError, match="cannot be computed of the images that eval"):
        checks.check_evaluation(build_run(wrong))
    with pytest.raises(ValueError, match="needs the output 'loss/gan', which simclr"):
        checked(dict(name="held_out", objective="gan"))
    with pytest.raises(ValueError, match="did you mean 'classify'"):
        checked(dict(name="clasify"))
    with pytest.raises(ValueError, match=r"a task is dict\(name='knn'\)"):
        checked("knn")


def test_memory_and_disk_are_checked_before_training(monkeypatch):
    made = build_run(small())
    with monkeypatch.context() as patch:
        patch.setattr(checks.os, "sysconf", lambda name: 64)  # 4096 bytes
        with pytest.raises(ValueError, match="bytes of outputs in the memory of each"):
            checks.check_evaluation(made)
    shapes = checks._shapes(made, ["features"])["features"].shape
    sources, _ = checks.open_splits(made)
    # Features, those that a fit copies, and those of two views of what is judged.
    train, test = (len(sources[name]) for name in ("train", "test"))
    wanted = 4 * shapes[1] * (2 * train + test + 2 * test)
    monkeypatch.setattr(scratch, "LARGE", 100)
    monkeypatch.setattr(scratch, "room", lambda: ("/full", wanted))
    assert checks.check_evaluation(made) == []
    monkeypatch.setattr(scratch, "room", lambda: ("/full", wanted - 1))
    said = f"{wanted:,} bytes .* '/full', which has {wanted - 1:,} free: set TMPDIR"
    with pytest.raises(ValueError, match=said):
        checks.check_evaluation(made)


def test_baselines_of_large_data_are_those_of_a_sample(run, monkeypatch, tmp_path):
    """And the table says so; what the network gives is written where it is large."""
    _, made, state = run
    only = [dict(name="knn", k=5)]
    config = {**made.config, "evaluate": {**made.config["evaluate"], "tasks": only}}
    made = made._replace(config=config)
    whole = evaluation.evaluate_run(made, state, str(tmp_path))["network"]
    written = []
    original = scratch.empty

    def watched(shape, dtype):
        written.append(original(shape, dtype))
        return written[-1]

    monkeypatch.setattr(scratch, "empty", watched)
    monkeypatch.setattr(scratch, "LARGE", 100)
    monkeypatch.setattr(
        readings, "sampled", lambda run, source, names, *_: 9 if names == PIXEL else 30
    )
    results = evaluation.evaluate_run(made, state, str(tmp_path))
    count = len(open_source(made.config, "train"))
    images = {name: numbers["images"] for name, numbers in results.items()}
    assert images == {"network": count, "random network": 30, "raw pixels": 9}
    assert results["network"]["knn"] == pytest.approx(whole["knn"], rel=1e-5)
    width = checks._shapes(made, ["features"])["features"].shape[1]
    assert any(isinstance(x, np.memmap) and x.shape == (count, width) for x in written)
    saved = json.loads((tmp_path / "evaluation.json").read_text())
    assert "random network: a sample of 30 images of train" in saved["notes"]


def test_a_sample_is_as_many_images_as_its_outputs_allow(run, monkeypatch):
    _, made, _ = run
    source = open_source(made.config, "test")
    monkeypatch.setattr(samples, "_SAMPLE", 4 * 16 * 16 * 3 * 7 + 5)
    assert samples.sampled(made, source, PIXEL) == 7
    width = checks._shapes(made, ["features"])["features"].shape[1]
    monkeypatch.setattr(samples, "_SAMPLE", 4 * width * 9)
    assert samples.sampled(made, source, ("features",)) == 9
    assert samples.spaced(10, 4).tolist() == [0, 2, 5, 7]


def test_the_best_is_chosen_on_training_images_that_are_kept_apart(monkeypatch):
    config = tiny()
    config["evaluate"]["online"] = [dict(name="linear"), dict(name="knn", k=5)]
    assert best_number(config) == "linear"
    opened = []
    original = open_source

    def watched(config, split, *rest):
        opened.append(split)
        return original(config, split, *rest)

    monkeypatch.setattr("sslax.train.online.open_source", watched)
    made = build_run(config)
    evaluate = online_evaluation(made)
    state = first_state(made)
    numbers = evaluate(state)
    assert opened == ["train"]
    assert set(numbers) == {"linear", "knn"}
    assert evaluate(state) == numbers


def patches_config(views, method):
    config = small()
    config["views"], config["method"] = views, method
    return config


def mae_config():
    view = {"name": "view", "size": 16}
    mask = {"name": "hide_patches", "patch_size": 4}
    wide = {"width": 8, "depth": 1, "heads": 2, "patch_size": 4}
    return patches_config(
        {"name": "masked", "view": view, "mask": mask},
        {
            "name": "mae",
            "encoder": {"name": "mae_encoder", **wide},
            "decoder": {"name": "mae_decoder", **wide},
            "patch_size": 4,
        },
    )


def test_maps_are_segmented_against_masks_that_the_view_has_cut(tmp_path):
    config = mae_config()
    config["evaluate"]["tasks"] = [
        dict(name="segment", examples=24),
        dict(name="correspond", pairs=3, examples=10),
    ]
    made = build_run(config)
    assert checks.check_evaluation(made) == []
    results = evaluation.evaluate_run(made, first_state(made), str(tmp_path))
    assert all(0 < numbers["miou"] < 100 for numbers in results.values())
    text = (tmp_path / "report.html").read_text()
    assert "<h2>Segmentation</h2>" in text
    assert "<h2>Correspondence</h2>" in text
    assert "<h2>Nearest neighbours</h2>" in text
    source = open_source(made.config, "train")
    split = outputs_of(made, ("map",), fields=("foreground",))(
        first_state(made), source, rows=np.arange(5)
    )
    assert split.outputs["map"].shape == (5, 4, 4, 8)
    exact = np.stack([source[i]["foreground"] for i in range(5)])
    np.testing.assert_allclose(split.fields["foreground"], exact, atol=1e-6)


def test_methods_of_patches_and_paintings_have_a_whole_report(tmp_path):
    """Alignment and pictures of what is no plain image; for MAE what it painted."""
    config = mae_config()
    made = build_run(config)
    state = first_state(made)
    sources, _ = checks.open_splits(made)
    asked = readings.ask(made, {}, sources)
    splits = readings.read_network(asked, state, "network").splits
    shown = gallery.gallery(made, state, sources, splits, {})
    assert shown.failures == ()
    by_heading = {p.heading: dict(p.rows) for p in shown.pictures}
    assert list(by_heading) == ["Views", "Pictures", "Nearest neighbours"]
    assert list(by_heading["Pictures"]) == ["image", "visible", "painted"]
    painted = {k: np.stack(v) for k, v in by_heading["Pictures"].items()}
    image, visible, drawn = (painted[k] for k in ("image", "visible", "painted"))
    hidden = (visible == 128).all(axis=-1)
    assert hidden.mean() == pytest.approx(0.75, abs=0.02)
    off = np.abs(drawn[~hidden].astype(int) - image[~hidden].astype(int))
    assert off.max() <= 1  # rounding of the normalisation and back
    assert (drawn[hidden] != image[hidden]).mean() > 0.5
    assert image.std() > 20  # in [0, 255] again


@pytest.mark.parametrize(
    "views",
    [
        {"name": "jigsaw", "view": {"name": "view", "size": 18}, "tile": 4},
        {"name": "lab", "view": {"name": "view", "size": 16}},
        {"name": "multi_crop", "first": {"name": "view", "size": 16},
         "small": {"name": "view", "size": 8}, "count": 2},
    ],
    ids=["jigsaw", "lab", "multi_crop"],
)  # fmt: skip
def test_whatever_views_make_is_drawn_and_aligned_if_it_can_be(views, tmp_path):
    config = patches_config(views, small()["method"])
    show_views(config, str(tmp_path / "views.png"))
    assert np.asarray(Image.open(tmp_path / "views.png")).std() > 20
    made = build_run(small())
    other = made.program._replace(
        views=evaluation_views(views), plain=evaluation_views(views)
    )
    made = made._replace(program=other)
    assert checks.has_pairs(made) == (views["name"] == "multi_crop")
    sources, _ = checks.open_splits(made)
    state = first_state(build_run(small()))
    rows = np.arange(9)
    split = outputs_of(made, ("features",))(state, sources["train"], rows=rows)
    splits = {"train": split, "test": split}
    shown = gallery.gallery(made, state, sources, splits, {})
    assert shown.failures == ()


def evaluation_views(spec):
    from sslax import calls
    from sslax.kinds import Builder

    return calls.build(spec, Builder)


def test_a_run_of_a_moved_folder_is_evaluated(run, tmp_path):
    folder, *_ = run
    shutil.copytree(folder, tmp_path / "copy")
    file = tmp_path / "copy" / "config.json"  # there are fewer images now
    file.write_text(file.read_text().replace('"length": 64', '"length": 60'))
    made, state = evaluation.restore_run(str(tmp_path / "copy"))
    assert int(state.step) == 4
    assert made.config["steps"] == 4
    assert len(made.loader.source) == 60


@pytest.mark.parametrize("copy", [False, True])
def test_two_processes_read_every_row_once_though_one_of_them_skips(
    tmp_path, monkeypatch, copy
):
    """Each reads its share; what a bad image leaves open is marked, and both end."""
    names = [f"a/{i:02d}.png" for i in range(21)] + ["b/0.png"]
    folder_of(tmp_path, names, broken=("a/02.png", "a/20.png"))
    config = small(examples=22, steps=2)
    config["data"] |= dict(train=f"folder:{tmp_path}", on_error="skip", canvas=16)
    made = build_run(config)
    source = open_source(config, "train")
    place = "make_array_from_process_local_data"
    monkeypatch.setattr(jax, place, lambda sharding, x: x)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    read = []
    for process in (0, 1):
        monkeypatch.setattr(jax, "process_index", lambda process=process: process)
        read.append(list(outputs._batches(made, source, np.arange(22), 8, copy=copy)))
    assert len(read[0]) == len(read[1]) == 3
    assert all(len(b["index"]) == len(b["image"]) == 4 for r in read for b in r)
    index = np.concatenate([b["index"] for r in read for b in r])
    assert (index < 0).sum() == (0 if copy else 4)
    seen = np.unique(index[index >= 0])
    assert seen.tolist() == [i for i in range(22) if i not in (2, 20)]
    if not copy:
        assert len(seen) == (index >= 0).sum()
