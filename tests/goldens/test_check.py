"""The checker goes red where it should."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from tests.goldens import adapters, check


def write(folder, case, arrays):
    (folder / "manifest.json").write_text(json.dumps({"cases": [case]}))
    np.savez(folder / case["file"], **arrays)


@pytest.fixture
def contrastive():
    """The smallest stored case, in parts."""
    folder = check.HERE / "contrastive"
    case = next(
        c for c in check.read_cases(folder) if c["id"] == "simclrv2_distill_small_1"
    )
    return case, dict(np.load(folder / case["file"]))


@pytest.fixture
def vision(monkeypatch):
    """An invented case of an invented topic."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    arrays = {
        "in/x": x,
        "out/double": 2.0 * x.astype(np.float64),
        "out/labels": np.array([1, 2]),
        "out/pil_double": 2.1 * x,
        "grad/x": np.full((2, 3), 2.0),
        "feat/none": x,
    }
    case = {
        "id": "double_a",
        "file": "double_a.npz",
        "topic": "toy/double",
        "parameters": {"factor": 2},
        "suggested_tolerance": "float32: rtol 1e-5, atol 1e-6; float64: 1e-7",
    }

    def double(arrays, parameters):
        x = jnp.asarray(arrays["in/x"])
        factor = parameters["factor"]
        out = {"out/double": factor * x, "grad/x": jnp.full_like(x, factor)}
        return {**out, "out/labels": jnp.array([1, 2])}

    monkeypatch.setitem(adapters.VISION, "toy/double", double)
    reason = "another library rounds"
    monkeypatch.setitem(adapters.SKIPPED, "toy/double", {"pil_*": reason})
    return case, arrays


def run(folder, capsys):
    code = check.main(["--cases", str(folder)])
    return code, capsys.readouterr().out


def test_a_right_case_passes(tmp_path, capsys, contrastive):
    write(tmp_path, *contrastive)
    code, out = run(tmp_path, capsys)
    assert code == 0
    assert out.splitlines()[-1] == "1 passed, 0 failed"


@pytest.mark.parametrize("name", ["out_loss", "grad_student", "aux_loss_without_t2"])
def test_a_perturbed_expectation_fails(tmp_path, capsys, contrastive, name):
    case, arrays = contrastive
    arrays[name] = arrays[name] * 1.001
    write(tmp_path, case, arrays)
    code, out = run(tmp_path, capsys)
    assert code == 1
    assert out.splitlines()[-1] == "0 passed, 1 failed"
    assert name.removeprefix("out_") in out


def test_float64_is_held_tighter_than_float32(contrastive):
    case, arrays = contrastive
    arrays["out_loss"] = arrays["out_loss"] * (1 + 1e-6)
    run = check._contrastive
    assert not run(case, arrays, np.dtype("float32")).failures
    with check.jax.enable_x64(True):
        assert run(case, arrays, np.dtype("float64")).failures


def test_a_right_vision_case_passes(tmp_path, capsys, vision):
    write(tmp_path, *vision)
    assert run(tmp_path, capsys)[0] == 0


@pytest.mark.parametrize("name", ["out/double", "out/labels", "grad/x"])
def test_a_perturbed_vision_case_fails(tmp_path, capsys, vision, name):
    case, arrays = vision
    arrays[name] = arrays[name] + arrays[name].dtype.type(1)
    write(tmp_path, case, arrays)
    code, out = run(tmp_path, capsys)
    assert code == 1
    assert name in out


def test_what_an_adapter_does_not_return_fails(tmp_path, capsys, vision):
    case, arrays = vision
    write(tmp_path, case, {**arrays, "out/more": np.zeros(2)})
    code, out = run(tmp_path, capsys)
    assert code == 1
    assert "out/more is not returned" in out


def test_a_topic_without_adapter_fails_by_name(tmp_path, capsys, contrastive):
    case, arrays = contrastive
    write(tmp_path, {**case, "method": "unheard_of"}, arrays)
    code, out = run(tmp_path, capsys)
    assert code == 1
    assert "no adapter for 'unheard_of'" in out


def test_an_adapter_that_raises_fails(tmp_path, capsys, vision, monkeypatch):
    def broken(arrays, parameters):
        raise KeyError("in/y")

    monkeypatch.setitem(adapters.VISION, "toy/double", broken)
    write(tmp_path, *vision)
    code, out = run(tmp_path, capsys)
    assert code == 1
    assert "KeyError" in out


def test_what_is_skipped_is_listed_with_reasons(capsys):
    assert check.main(["--skipped"]) == 0
    out = capsys.readouterr().out
    assert "any topic: alt_*: " in out
    assert "moco_queue_wrap: aux_lightly_*: " in out


def test_tolerances_are_read_from_the_manifest():
    text = "float32: rtol 1e-4, atol 5e-5; float64: 1e-6 (outputs above 512 rounded)"
    assert check.tolerance_of(text, "out/x", "float32") == (1e-4, 5e-5)
    assert check.tolerance_of(text, "out/x", "float64") == (1e-6, 1e-6)
    text = "atol 1e-5; bicubic resizes atol 1e-3 (quantised kernel table)"
    assert check.tolerance_of(text, "out/resize_bicubic", "float32") == (0.0, 1e-3)
    assert check.tolerance_of(text, "out/hue", "float64") == (0.0, 1e-5)
    text = "float64 1e-9; float32 rtol 1e-5 (values reach about 100)"
    assert check.tolerance_of(text, "out/x", "float32") == (1e-5, 1e-6)
    assert check.tolerance_of(text, "out/x", "float64") == (1e-9, 1e-9)
    assert check.tolerance_of("exact", "out/x", "float32") == (0.0, 1e-6)


def test_statistics_are_held_to_four_standard_errors():
    wanted = np.array([10.0, 2.0, *np.zeros(9)])
    errors = check._Errors()
    errors.statistic("stat/count_summary", wanted + 0.1, wanted, 2000)
    assert not errors.failures
    errors.statistic("stat/count_summary", wanted + 0.5, wanted, 2000)
    assert len(errors.failures) == 2
    errors = check._Errors()
    errors.statistic(
        "stat/count_hist", np.array([480, 520]), np.array([500, 500]), 1000
    )
    assert not errors.failures
    errors.statistic(
        "stat/count_hist", np.array([300, 700]), np.array([500, 500]), 1000
    )
    assert errors.failures
