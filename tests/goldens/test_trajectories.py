"""The checker of training steps goes red where it should, and says of what."""

import json

import jax
import numpy as np
import pytest

from tests.goldens import check, trajectories, trajectory_cases
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names

CASE = {
    "file": "toy.npz",
    "method": "toy",
    "hyper": {"lr": 0.5, "heads": {"count": 2}},
    "optimizer": {"name": "descent", "args": {"lr": 0.5}, "groups": "all"},
}


def descent(case):
    """Steps on x^2 / 2 + y, where the case says how."""
    x, losses = steps.initial(case, "online")["x.weight"], []
    rate = case["optimizer"]["args"]["lr"]
    assert case["optimizer"]["name"] == "descent"
    assert case["hyper"]["heads"]["count"] == 2
    steps.agree(case, "lr", lambda k: case["hyper"]["lr"])
    for y in steps.inputs(case, "y"):
        losses.append(x**2 / 2 + y)
        x = x - rate * x
    return {"loss": np.array(losses), "final": {"online/x.weight": x}}


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(trajectories.TRAJECTORIES, "toy", descent)
    arrays = {
        "init/online/x.weight": np.float64(4.0),
        "final/online/x.weight": np.float64(1.0),
        "final/online/x.num_batches_tracked": np.int64(2),
        "loss_f32": np.ones(2),
    }
    for k, (y, loss) in enumerate([(1.0, 9.0), (2.0, 4.0)]):
        names = {"in/y": y, "hyper/lr": 0.5, "loss": loss}
        arrays |= {f"step{k}/{n}": np.float64(v) for n, v in names.items()}
    return json.loads(json.dumps(CASE)), arrays


def run(folder, capsys, case, arrays):
    (folder / "manifest.json").write_text(json.dumps({"cases": [case]}))
    np.savez(folder / case["file"], **arrays)
    code = check.main(["--cases", str(folder), "--family", "trajectories"])
    return code, capsys.readouterr().out


def test_a_right_case_passes(tmp_path, capsys, toy):
    code, out = run(tmp_path, capsys, *toy)
    assert code == 0, out
    assert "ok   toy:" in out
    assert check.family_of([toy[0]]) == "trajectories"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("final/online/x.weight", "final/online/x.weight is off"),
        ("step1/loss", "loss is off"),
        ("step1/hyper/lr", "lr of the steps is [0.5, 0.50001], not [0.5, 0.5]"),
    ],
)
def test_what_differs_fails_by_name(tmp_path, capsys, toy, name, said):
    case, arrays = toy
    arrays[name] = arrays[name] + 1e-5
    code, out = run(tmp_path, capsys, case, arrays)
    assert code == 1
    assert said in out


@pytest.mark.parametrize(
    "place", [("hyper",), ("hyper", "heads"), ("optimizer", "args")]
)
def test_a_parameter_that_is_not_read_fails_by_name(tmp_path, capsys, toy, place):
    case, arrays = toy
    inner = case
    for key in place:
        inner = inner[key]
    inner["unheard_of"] = 1
    code, out = run(tmp_path, capsys, case, arrays)
    assert code == 1
    assert f"{'.'.join(place)}.unheard_of of the case is not read" in out


@pytest.mark.parametrize("name", ["init/teacher/x", "step0/in/z", "step0/hyper/wd"])
def test_an_array_that_is_not_read_fails_by_name(tmp_path, capsys, toy, name):
    case, arrays = toy
    code, out = run(tmp_path, capsys, case, arrays | {name: np.ones(2)})
    assert code == 1
    assert f"{name!r} of the case is not read" in out


def test_a_state_that_is_not_returned_fails_by_name(tmp_path, capsys, toy):
    case, arrays = toy
    code, out = run(tmp_path, capsys, case, arrays | {"final/queue/q": np.ones(2)})
    assert code == 1
    assert "final/queue/q is not returned" in out


def test_a_method_without_an_adapter_fails_by_name(tmp_path, capsys, toy):
    case, arrays = toy
    code, out = run(tmp_path, capsys, {**case, "method": "unheard_of"}, arrays)
    assert code == 1
    assert "no adapter for 'unheard_of'" in out


def test_only_in_float64_a_part_without_gradient_is_compared(monkeypatch):
    patterns = {"toy": {"*.attn.qkv.bias": "", "*.norm.bias": ""}}
    monkeypatch.setattr(trajectories, "UNDETERMINED", patterns)

    def part(name, dtype):
        values = trajectory_cases.determined(CASE, name, np.arange(6), np.dtype(dtype))
        return values.tolist()

    assert part("online/a.attn.qkv.bias", "float32") == [0, 1, 4, 5]
    assert part("online/a.norm.bias", "float32") == []
    assert part("online/a.bias", "float32") == list(range(6))
    assert part("online/a.norm.bias", "float64") == list(range(6))


def test_names_go_both_ways_and_miss_nothing(rng):
    shapes = {"conv.weight": (4, 3, 2, 2), "fc.weight": (5, 4), "bn.weight": (4,)}
    shapes |= {"bn.running_var": (4,)}
    stored = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    names = Names({"conv": "net/conv1", "fc": "head/linear1", "bn": "net/bn1"})
    params = {
        "net": {
            "conv1": {"kernel": np.ones((2, 2, 3, 4))},
            "bn1": {"scale": np.ones(4)},
        },
        "head": {"linear1": {"kernel": np.ones((4, 5))}},
    }
    stats = {"net": {"batch_stats": {"bn1": {"var": np.ones(4)}}}}
    back = names.write(*names.read(stored, params, stats), stored)
    jax.tree.map(np.testing.assert_array_equal, back, stored)
    del stored["fc.weight"]
    with pytest.raises(ValueError, match=r"nothing in the case is .*head.*linear1"):
        names.read(stored, params, stats)
    with pytest.raises(ValueError, match=r"'other\.weight' has no place"):
        names.read({"other.weight": np.ones(2)}, params, stats)
