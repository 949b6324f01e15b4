"""How a stored training step is run and compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from tests.goldens import trajectories
from tests.goldens.errors import Errors, Outcome
from tests.goldens.reading import Reading, met
from tests.goldens.tolerances import GROWTH, Conditioning, cast

TABLE = trajectories.TRAJECTORIES
SKIPPED = {
    "*num_batches_tracked": "a count that batch norm does not keep here",
    "loss_f32": "the reference in float32",
}
# Of what is 1 or larger, a share of it. In float32 this is the floor: more is allowed
# where the case is ill-conditioned, see `Conditioning`.
ALLOWED = {
    "float64": {"loss": 1e-6, "state": 1e-6},
    "float32": {"loss": 1e-5, "state": 5e-5},
}


def topic(case: dict) -> str:
    """What the adapter of a case is called."""
    return case["method"]


def run(case: dict, arrays: Mapping[str, Any]) -> tuple[Mapping[str, Any], Reading]:
    """What the adapter of a case gives, and what it has read."""
    reading = Reading({**case, "arrays": arrays})
    return TABLE[topic(case)](reading), reading


def check(case: dict, arrays: Mapping[str, np.ndarray], dtype: np.dtype) -> Outcome:
    """Runs a case in one precision and compares losses and final state."""
    scalar = re.compile(r"step\d+/[^/]+")
    wanted = {k: v for k, v in arrays.items() if k.startswith("final/")}
    given = {
        k: v for k, v in arrays.items() if k not in wanted and not scalar.fullmatch(k)
    }
    errors, allowed = Errors(), _allowed(case, arrays, dtype)
    out, reading = run(case, cast(given, dtype))
    _unread(errors, case, reading)

    drift = _drift(case, given, wanted)
    signs = np.random.default_rng(0)

    def again(arrays):
        moved = {k: x * signs.choice((-1, 1), x.shape) for k, x in drift.items()}
        arrays = {k: x + moved.get(k, 0) for k, x in arrays.items()}
        with jax.enable_x64(True):
            return run(case, arrays)[0]

    rounding = Conditioning(again, given) if dtype == np.float32 else None
    _compare_steps(errors, out, arrays, allowed["loss"], rounding)
    skipped = {**SKIPPED, **trajectories.SKIPPED.get(topic(case), {})}
    for name, value in wanted.items():
        name = name.removeprefix("final/")
        if met(skipped, name) is not None:
            continue
        if name not in out["final"]:
            errors.failures.append(f"final/{name} is not returned")
            continue

        def part(out, name=name):
            return determined(case, name, out["final"][name], dtype)

        value = determined(case, name, value, dtype)
        _close(errors, f"final/{name}", out, part, value, allowed["state"], rounding)
    return errors.outcome()


def _allowed(
    case: dict, arrays: Mapping[str, np.ndarray], dtype: np.dtype
) -> dict[str, float]:
    """In float32 of some at least what the reference strays by, as conditioning has it.

    An optimizer that divides by the gradient's size turns the rounding of small ones
    into steps, which nudged inputs alone do not show.
    """
    allowed = ALLOWED[dtype.name]
    if dtype == np.float64 or topic(case) not in trajectories.STRAYING:
        return allowed
    reference = np.array(
        [arrays[f"step{k}/loss"] for k in range(len(arrays["loss_f32"]))]
    )
    strayed = np.abs(arrays["loss_f32"] - reference) / np.maximum(abs(reference), 1)
    return {k: max(v, GROWTH * np.max(strayed).item()) for k, v in allowed.items()}


def _drift(case, given, wanted) -> dict[str, np.ndarray]:
    """How far rounding may move the undetermined numbers that have no gradient.

    They stay where they start in float64. In float32 an optimizer that divides by the
    gradient's size makes steps of its rounding errors, each as long as the rate, and a
    bias that wanders may turn a unit off that was always on.
    """
    patterns = trajectories.UNDETERMINED.get(topic(case), {})
    rates = [x for k, x in given.items() if re.fullmatch(r"step\d+/hyper/lr", k)]
    found = {}
    for name, start in given.items():
        end = wanted.get(name.replace("init/", "final/", 1))
        undetermined = met(patterns, name.removeprefix("init/")) is not None
        if undetermined and end is not None and np.shape(end) == np.shape(start):
            found[name] = sum(rates) * (np.abs(end - start) < 1e-6)
    return found


def _unread(errors: Errors, case: dict, reading: Reading) -> None:
    reasons = {**SKIPPED, **trajectories.NOT_READ.get(topic(case), {})}
    texts = {"optimizer.groups": "a sentence; the optimizer follows it"}
    for name, nested in (
        ("hyper", reading["hyper"]),
        ("optimizer", reading["optimizer"]),
    ):
        errors.failures += [
            f"{name}.{unread} of the case is not read"
            for unread in nested.unread()
            if met({**reasons, **texts}, f"{name}.{unread}") is None
        ]
    errors.unread(reasons, reading["arrays"])


def _compare_steps(errors, out, arrays, allowed, rounding) -> None:
    """The loss of every step, and other scalars that the adapter returns."""
    for name in out:
        if name == "final":
            continue
        rows, value = _rows(arrays, name, len(out[name]))
        _close(errors, name, out, _picker(name, rows), value, allowed, rounding)
    if f"step{len(out['loss'])}/loss" in arrays:
        errors.failures.append("there are more steps")


def _rows(arrays, name: str, count: int) -> tuple[list[int], np.ndarray]:
    """The steps that a scalar is stored of, not those at which its objective rests."""
    stored = {k: f"step{k}/{name}" for k in range(count)}
    rows = [k for k in stored if stored[k] in arrays] or list(stored)
    return rows, np.array([arrays[stored[k]] for k in rows])


def _picker(name: str, rows: list[int]):
    return lambda out: np.asarray(out[name])[np.array(rows)]


def determined(case: dict, name: str, value: Any, dtype: np.dtype) -> Any:
    """A value without the part that rounding errors alone move in float32."""
    patterns = trajectories.UNDETERMINED.get(topic(case), {})
    if dtype == np.float64 or met(patterns, name) is None:
        return value
    if name.endswith(("qkv.bias", "in_proj_bias")):
        query, _, rest = np.split(np.asarray(value), 3)
        return np.concatenate([query, rest])
    return np.zeros(0)


def _close(errors, name, out, part, wanted, allowed, rounding) -> None:
    """Within `allowed`, times the value where it is above 1."""
    wanted = np.asarray(wanted)
    scale = np.maximum(np.abs(wanted), 1.0) if wanted.dtype.kind == "f" else 1
    more = rounding and (
        lambda error: rounding.allowed(
            lambda o: np.asarray(part(o)) / scale, wanted / scale, error
        )
    )
    got = np.asarray(part(out))
    if got.shape != wanted.shape:
        errors.failures.append(f"{name} has shape {got.shape}, not {wanted.shape}")
        return
    errors.close(name, got / scale, wanted / scale, allowed, more)
