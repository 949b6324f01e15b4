"""Files and folders: whole or not at all, and no code in them is run."""

import collections
import json
import os
import pickle

import chex
import numpy as np
import pytest

from sslax import convert
from tests.convert.networks import IMAGES, NETWORKS, VIT, random_arrays


@pytest.fixture
def tensors(rng):
    values = {f"layer{i}.weight": rng.normal(size=(30, 20)) for i in range(3)}
    arrays = {k: v.astype(np.float32) for k, v in values.items()}
    return {**arrays, "transposed": arrays["layer0.weight"].T, "count": np.array(3)}


def test_safetensors_come_back(tmp_path, tensors):
    path = tmp_path / "deep" / "weights.safetensors"
    convert.write_tensors(path, tensors, metadata={"format": "pt"})
    chex.assert_trees_all_equal(convert.read_tensors(path), tensors)
    with pytest.raises(ValueError, match=r"weights.safetensors' exists already"):
        convert.write_tensors(path, {})
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.999])
def test_a_truncated_safetensors_file_is_an_error(tmp_path, tensors, share):
    path = tmp_path / "weights.safetensors"
    convert.write_tensors(path, tensors)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(ValueError, match=r"weights.safetensors' is damaged, cut short"):
        convert.read_tensors(path)


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(Exception, match="object"):
        convert.write_tensors(tmp_path / "x.safetensors", {"a": np.array([object()])})
    assert list(tmp_path.iterdir()) == []


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file '.*nothing.pth'"):
        convert.read_tensors(tmp_path / "nothing.pth")
    with pytest.raises(ValueError, match=r"holds no converted network \(model.json\)"):
        convert.load(tmp_path)


@pytest.mark.parametrize("name", ["resnet18", "vit_scan", "ibot_head"])
def test_a_folder_holds_a_network(tmp_path, rng, name):
    call, inputs, _ = NETWORKS[name]
    params, stats = random_arrays(rng, call, inputs)
    folder = tmp_path / "net"
    convert.save(folder, params, stats, model=call, inputs=inputs)
    net, *back = convert.load(folder)
    chex.assert_trees_all_equal(tuple(back), (params, stats))
    assert net.init is not None
    found, shapes = convert.model_of(folder)
    assert found == json.loads(json.dumps(call))
    assert [x.shape for x in shapes] == [x.shape for x in inputs]
    with pytest.raises(ValueError, match="exists already; choose another folder"):
        convert.save(folder, params, stats, model=call, inputs=inputs)


def test_a_folder_is_whole_or_not_at_all(tmp_path, rng, monkeypatch):
    params, stats = random_arrays(rng, VIT, IMAGES)
    del params["norm"]["scale"]
    with pytest.raises(ValueError, match="norm/scale: there is nothing"):
        convert.save(tmp_path / "net", params, stats, model=VIT, inputs=IMAGES)
    assert list(tmp_path.iterdir()) == []
    params["norm"]["scale"] = np.ones(16, np.float32)

    def fails(*args, **kwargs):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", fails)
        with pytest.raises(OSError, match="full"):
            convert.save(tmp_path / "net", params, stats, model=VIT, inputs=IMAGES)
    assert list(tmp_path.iterdir()) == []
    convert.save(tmp_path / "net", params, stats, model=VIT, inputs=IMAGES)


def test_a_folder_whose_files_do_not_fit_is_an_error(tmp_path, rng):
    params, stats = random_arrays(rng, VIT, IMAGES)
    convert.save(tmp_path / "net", params, stats, model=VIT, inputs=IMAGES)
    file = tmp_path / "net" / "model.json"
    text = file.read_text()
    file.write_text(text.replace('"depth": 2', '"depth": 1'))
    with pytest.raises(
        ValueError, match=r"blocks_1/fc1/bias: there is \[64\], the net"
    ):
        convert.load(tmp_path / "net")
    file.write_text(text[:-20])
    with pytest.raises(ValueError, match=r"model.json' is damaged"):
        convert.load(tmp_path / "net")


class Trap:
    """Would make a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class TestTorch:
    """What torch writes; skipped where it is not installed."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    def test_nested_dicts_become_dotted_names(self, torch, tmp_path, tensors):
        from argparse import Namespace

        weights = {k: torch.tensor(v) for k, v in tensors.items()}
        content = {
            "state_dict": collections.OrderedDict(weights),
            "half": {"x": torch.ones(3, dtype=torch.bfloat16)},
            "optimizer": {"state": {0: {"step": torch.ones(2)}}, "param_groups": []},
            "args": Namespace(rate=0.1),
            "accuracy": np.float64(0.5),
            "epoch": 3,
        }
        for legacy in (False, True):
            path = tmp_path / f"{legacy}.pth"
            new = not legacy
            torch.save(content, path, _use_new_zipfile_serialization=new)
            read = convert.read_tensors(path)
            assert read.pop("half.x").dtype == np.float32
            wanted = {f"state_dict.{k}": v for k, v in tensors.items()}
            chex.assert_trees_all_equal(read, wanted)

    def test_code_is_not_run(self, torch, tmp_path):
        made = tmp_path / "made"
        torch.save({"x": torch.ones(2), "y": Trap(made)}, tmp_path / "trap.pth")
        (tmp_path / "plain.pth").write_bytes(pickle.dumps(Trap(made), protocol=2))
        for name in ("trap.pth", "plain.pth"):
            with pytest.raises(ValueError, match=r"more than tensors.*mkdir"):
                convert.read_tensors(tmp_path / name)
        assert not made.exists()

    def test_files_without_tensors_are_errors(self, torch, tmp_path):
        torch.save({"epoch": 3}, tmp_path / "empty.pth")
        with pytest.raises(ValueError, match="holds no tensors"):
            convert.read_tensors(tmp_path / "empty.pth")
        (tmp_path / "text.pth").write_text("these are no tensors")
        with pytest.raises(ValueError, match=r"text.pth'"):
            convert.read_tensors(tmp_path / "text.pth")

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
    def test_a_truncated_file_is_an_error(self, torch, tmp_path, tensors, share):
        path = tmp_path / "cut.pth"
        torch.save({k: torch.tensor(v) for k, v in tensors.items()}, path)
        os.truncate(path, int(share * path.stat().st_size))
        with pytest.raises(ValueError, match=r"cut.pth'"):
            convert.read_tensors(path)
