"""The bundled sample: what it holds, and that it is read as any set of TFDS is."""

import gzip
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sslax.data
from sslax import data
from sslax.data._fashion_mnist import DEBIAN_FOLDER
from sslax.data._fashion_mnist_sample import FashionMnistSample
from sslax.data._idx import read_idx, read_pair, write_idx
from sslax.data._tfds import SAMPLE

PACKAGED = Path(sslax.data.__file__).parent / "fashion_mnist_sample"
ROOT = Path(__file__).parent.parent.parent


def test_counts_and_class_balance(sample):
    for split, count in (("train", 1000), ("test", 500)):
        source = sample[split]
        labels = data.read_labels(source)
        assert len(source) == 10 * count
        np.testing.assert_array_equal(np.bincount(labels), [count] * 10)
        assert source.num_classes == 10
        assert source.class_names[9] == "Ankle boot"
        assert source.fields["image"].shape == (28, 28, 1)


def test_the_package_is_small_and_carries_its_licence():
    size = sum(path.stat().st_size for path in PACKAGED.iterdir())
    assert size < 7_000_000
    licence = (PACKAGED / "LICENSE").read_text()
    assert "MIT License" in licence
    assert "2017 Zalando SE" in licence


def test_it_is_read_through_tfds_without_tensorflow(sample, data_dir):
    assert sample["train"].name == f"{SAMPLE}/train"
    files = list((data_dir / "fashion_mnist_sample").rglob("*train.array_record*"))
    assert files, "the sample was not stored as array_record"
    assert "tensorflow" not in sys.modules


def test_images_survive_the_way_through_png(sample):
    images, labels = read_pair(PACKAGED, "test", ".xz")
    for i in (0, 1, 2500, 4999):
        example = sample["test"][i]
        np.testing.assert_array_equal(example["image"], images[i])
        assert example["label"] == labels[i]
        assert example["index"] == i
        assert example["image"].dtype == np.uint8


def test_without_tfds_it_is_the_same_and_sets_say_what_they_need(sample, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    bare = data.source("fashion_mnist_sample/test")
    assert (len(bare), bare.name) == (5000, sample["test"].name)
    assert bare.class_names == sample["test"].class_names
    for i in (0, 4999):
        one, other = bare[i], sample["test"][i]
        assert one.keys() == other.keys()
        assert (one["label"], one["index"]) == (other["label"], other["index"])
        np.testing.assert_array_equal(one["image"], other["image"])
    with pytest.raises(ValueError, match="'fashion_mnist_sample' has no split 'val'"):
        data.source("fashion_mnist_sample/val")
    with pytest.raises(ImportError, match=r"pip install 'sslax\[tfds\]'. Folders"):
        data.source("cifar10/train")


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="dataset-fashion-mnist missing")
def test_it_is_the_first_of_each_class_of_the_whole_set():
    spec = importlib.util.spec_from_file_location(
        "make_sample", ROOT / "experiments" / "make_sample.py"
    )
    make_sample = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_sample)
    whole = data.source("fashion_mnist/test")
    assert len(whole) == 10_000
    chosen = make_sample.first_of_each_class(whole.arrays["label"], 500)
    assert np.all(np.diff(chosen) > 0)
    images, labels = read_pair(PACKAGED, "test", ".xz")
    np.testing.assert_array_equal(images, whole.arrays["image"][chosen])
    np.testing.assert_array_equal(labels, whole.arrays["label"][chosen])


def test_several_processes_may_prepare_at_once(tmp_path, sample, data_dir, monkeypatch):
    """Another process puts its copy into place while this one is writing its own."""

    def slow(builder):
        shutil.copytree(data_dir / "fashion_mnist_sample", tmp_path / "other")
        Path(builder.data_dir).mkdir(parents=True)
        shutil.copytree(tmp_path / "other", folder / "fashion_mnist_sample", **onto)

    folder, onto = tmp_path / "sets", {"dirs_exist_ok": True}
    monkeypatch.setattr(FashionMnistSample, "download_and_prepare", slow)
    data.prepare("fashion_mnist_sample", folder)
    assert [path.name for path in folder.iterdir()] == ["fashion_mnist_sample"]
    assert len(data.fashion_mnist_sample(split="test", data_dir=folder)) == 5000


def test_a_process_that_fails_while_preparing_leaves_nothing(tmp_path, monkeypatch):
    def fail(builder):
        Path(builder.data_dir).mkdir(parents=True)
        raise OSError("disk full")

    monkeypatch.setattr(FashionMnistSample, "download_and_prepare", fail)
    with pytest.raises(OSError, match="disk full"):
        data.prepare("fashion_mnist_sample", tmp_path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "fashion_mnist_sample"]


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"file' cannot be written.*SSLAX_DATA_DIR"):
        data.fashion_mnist_sample(data_dir=tmp_path / "file")


def test_whole_set_out_of_idx_files(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 28, 28), dtype=np.uint8)
    folder = tmp_path / "fashion_mnist"
    folder.mkdir()
    parts = {"images-idx3": images, "labels-idx1": np.arange(3, dtype=np.uint8)}
    for part, array in parts.items():
        content = gzip.compress(write_idx(array))
        (folder / f"train-{part}-ubyte.gz").write_bytes(content)
    source = data.fashion_mnist(data_dir=tmp_path)
    assert source.num_classes == 10
    np.testing.assert_array_equal(source[2]["image"], images[2][..., None])
    with pytest.raises(ValueError, match="has no split 'validation'"):
        data.fashion_mnist(split="validation", data_dir=tmp_path)


def test_whole_set_that_is_missing_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sslax.data._fashion_mnist.find_idx_folder", lambda folder: None
    )
    with pytest.raises(ValueError, match="apt install dataset-fashion-mnist") as caught:
        data.fashion_mnist(data_dir=tmp_path)
    assert "sslax prepare fashion_mnist" in str(caught.value)
    assert "fashion_mnist_sample" in str(caught.value)


def test_an_idx_file_that_is_cut_is_refused(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(write_idx(np.zeros((2, 3), np.uint8))[:-1])
    with pytest.raises(ValueError, match="5 bytes"):
        read_idx(path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="not an IDX file"):
        read_idx(path)


def test_importing_data_is_light():
    heavy = "{'jax', 'grain', 'tensorflow_datasets', 'sklearn'}"
    code = f"import sys, sslax.data; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
