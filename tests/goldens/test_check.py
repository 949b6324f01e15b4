"""The checker goes red where it should."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.goldens import adapters, check, contrastive_cases, tolerances
from tests.goldens.errors import Errors
from tests.goldens.reading import Reading, choice, find


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
        x = jax.device_put(arrays["in/x"])
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
    run = contrastive_cases.check
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
    assert "mim/mae: not read: img_size: " in out


def test_tolerances_are_read_from_the_manifest():
    text = "float32: rtol 1e-4, atol 5e-5; float64: 1e-6 (outputs above 512 rounded)"
    assert tolerances.tolerance_of(text, "out/x", "float32") == (1e-4, 5e-5)
    assert tolerances.tolerance_of(text, "out/x", "float64") == (1e-6, 1e-6)
    text = "atol 1e-5; bicubic resizes atol 1e-3 (quantised kernel table)"
    assert tolerances.tolerance_of(text, "out/resize_bicubic", "float32") == (0.0, 1e-3)
    assert tolerances.tolerance_of(text, "out/hue", "float64") == (0.0, 1e-5)
    text = "float64 1e-9; float32 rtol 1e-5 (values reach about 100)"
    assert tolerances.tolerance_of(text, "out/x", "float32") == (1e-5, 1e-6)
    assert tolerances.tolerance_of(text, "out/x", "float64") == (1e-9, 1e-9)
    assert tolerances.tolerance_of("exact", "out/x", "float32") == (0.0, 1e-6)


@pytest.mark.parametrize("name", ["offset", "head.bias"])
def test_a_parameter_that_is_not_read_fails_by_name(tmp_path, capsys, vision, name):
    case, arrays = vision
    first, _, second = name.partition(".")
    case["parameters"][first] = {"weight": 1, second: 2} if second else 2
    write(tmp_path, case, arrays)
    code, out = run(tmp_path, capsys)
    assert code == 1
    assert f"{first!r} of the case is not read" in out


def test_what_is_read_is_known_at_any_depth():
    reading = Reading({"a": {"b": 1, "c": 2}, "d": [{"e": 3}, {"e": 4}], "f": None})
    assert "f" in reading
    assert reading["a"]["b"] == 1
    assert [each["e"] for each in reading["d"]] == [3, 4]
    assert reading.unread() == ["a.c", "f"]
    reading.replaced({"f": 5})["f"]
    assert dict(**reading["a"]) == {"b": 1, "c": 2}
    assert reading.unread() == []


def test_an_input_that_is_not_read_fails_by_name(tmp_path, capsys, vision, contrastive):
    case, arrays = vision
    write(tmp_path, case, {**arrays, "in/more": np.zeros(2)})
    assert run(tmp_path, capsys)[0] == 1
    case, arrays = contrastive
    write(tmp_path, case, {**arrays, "in_more": np.zeros(2)})
    code, out = run(tmp_path, capsys)
    assert code == 1
    assert "'more' of the case is not read" in out


def test_what_need_not_be_read_is_listed(tmp_path, capsys, vision, monkeypatch):
    case, arrays = vision
    case["parameters"]["width"] = 3
    reason = {"toy/double": {"width": "a side of the inputs"}}
    monkeypatch.setattr(adapters, "NOT_READ", reason)
    write(tmp_path, case, arrays)
    assert run(tmp_path, capsys)[0] == 0
    assert check.main(["--skipped"]) == 0
    assert "toy/double: not read: width: a side of" in capsys.readouterr().out


def test_a_value_that_is_not_known_fails_by_name():
    with pytest.raises(ValueError, match="'scaling' is 'half'; known are 'none', 'b'"):
        choice(Reading({"scaling": "half"}), "scaling", {"none": 0, "b": 1})


def test_names_of_parts_and_of_families_are_found():
    maps = np.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    outputs = {
        "feat/map": maps,
        "out/turn{}_{}": lambda image, angle: (image, angle),
    }
    first = find(outputs, "feat/map_first_2_values_per_patch")
    np.testing.assert_array_equal(first, maps[..., :2])
    np.testing.assert_array_equal(find(outputs, "feat/map_first3"), maps[..., :3])
    means = find(outputs, "feat/map_mean_per_channel")
    np.testing.assert_array_equal(means, maps.mean((0, 2, 3)))
    assert find(outputs, "out/turn1_90") == ("1", "90")
    assert find(outputs, "out/other_first3") is None


def test_tolerances_follow_the_conditioning(tmp_path, capsys, vision, monkeypatch):
    """A difference of numbers of a million may be wrong by more than the manifest's."""
    case, arrays = vision
    big = np.full((2, 3), 2.0**20, np.float32)

    def difference(wrong, arrays, parameters):
        double = parameters["factor"] * jax.device_put(arrays["in/x"])
        up, down = (jax.device_put(arrays[f"in/{name}"]) for name in ("up", "down"))
        lost = jnp.asarray(wrong if double.dtype == np.float32 else 0, double.dtype)
        parts = {"out/labels": jnp.array([1, 2]), "grad/x": jnp.full_like(double, 2)}
        return {"out/double": (double + up) - down + lost, **parts}

    write(tmp_path, case, {**arrays, "in/up": big, "in/down": big})
    for wrong, wanted in ((0.25, 0), (16.0, 1)):
        adapter = functools.partial(difference, wrong)
        monkeypatch.setitem(adapters.VISION, "toy/double", adapter)
        code, out = run(tmp_path, capsys)
        assert code == wanted, out


def test_well_conditioned_cases_are_held_to_the_manifest(
    tmp_path, capsys, vision, monkeypatch
):
    case, arrays = vision
    adapter = adapters.VISION["toy/double"]

    def wrong(arrays, parameters):
        out = adapter(arrays, parameters)
        factor = 1 + 1e-4 if out["out/double"].dtype == np.float32 else 1
        return {**out, "out/double": out["out/double"] * factor}

    monkeypatch.setitem(adapters.VISION, "toy/double", wrong)
    write(tmp_path, case, arrays)
    code, out = run(tmp_path, capsys)
    assert code == 1
    assert "float32: out/double is off by" in out


@pytest.mark.parametrize(("wrong", "code"), [(20, 0), (21, 1)])
def test_outputs_that_jump_may_do_so_in_a_few_numbers(
    tmp_path, capsys, vision, monkeypatch, wrong, code
):
    case, arrays = vision
    adapter = adapters.VISION["toy/double"]

    def jumping(arrays, parameters):
        out = adapter(arrays, parameters)
        jumps = wrong if out["out/double"].dtype == np.float32 else 0
        return {**out, "out/jump": jnp.zeros(1000).at[:jumps].set(1.0)}

    monkeypatch.setitem(adapters.VISION, "toy/double", jumping)
    monkeypatch.setattr(adapters, "JUMPS", {"toy/double": {"jump": "an edge"}})
    write(tmp_path, case, {**arrays, "out/jump": np.zeros(1000)})
    assert run(tmp_path, capsys)[0] == code


def test_statistics_are_held_to_four_standard_errors():
    wanted = np.array([10.0, 2.0, *np.zeros(9)])
    errors = Errors()
    errors.statistic("stat/count_summary", wanted + 0.1, wanted, 2000)
    assert not errors.failures
    errors.statistic("stat/count_summary", wanted + 0.5, wanted, 2000)
    assert len(errors.failures) == 2
    errors = Errors()
    errors.statistic(
        "stat/count_hist", np.array([480, 520]), np.array([500, 500]), 1000
    )
    assert not errors.failures
    errors.statistic(
        "stat/count_hist", np.array([300, 700]), np.array([500, 500]), 1000
    )
    assert errors.failures
