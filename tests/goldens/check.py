"""Runs stored reference cases through the adapters.

    python -m tests.goldens.check [--cases DIR] [--family FAMILY] [--skipped]

where FAMILY is contrastive or vision; without it both run, or what DIR has.

Every case of a folder with a manifest runs in float32 and again in float64, at the
manifest's tolerances. One line a case, then `N passed, M failed`; the exit code is 0 if
none failed. A topic without an adapter counts as failed, by name.

What is compared. Contrastive: the loss, the gradient with respect to each named input
(by `jax.grad` of the adapter's "loss"; `gradrenorm_*` will do where the function
normalises) and every `aux_*`. Vision: every `out/` and `grad/`, and of `feat/ after/
stat/` what the adapter returns. What is not compared is listed: `ALTERNATIVES` below
for names that always record something else, and in the adapters' modules
`SKIPPED: dict[topic, dict[pattern, reason]]`, where a pattern (as in fnmatch) is met by
the whole name or by what follows its first slash. A skipped name that an adapter
returns anyway is compared. `--skipped` prints these lists.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.goldens import adapters

FAMILIES = ("contrastive", "vision")
HERE = Path(__file__).parent

ALTERNATIVES = {
    "alt_*": "the value of a second implementation, a known multiple of the loss",
    "altaux_*": "an auxiliary output of a second implementation",
    "own_*": "computed by the generator from the formula, not by a reference",
    "out_loss_f32": "the reference in float32, which overflows in places",
    "gradrenorm_*": "stands in for grad_* where the function normalises",
}


class Outcome(NamedTuple):
    """What one case gave in one precision: failures in words, the largest error."""

    failures: list[str]
    worst: float


def check_case(case: dict, folder: Path, family: str, precision: str) -> Outcome:
    """Runs one case in one precision, `float32` or `float64`."""
    arrays = dict(np.load(folder / case["file"], allow_pickle=False))
    run = {"contrastive": _contrastive, "vision": _vision}[family]
    double = precision == "float64"
    with jax.enable_x64(double), _quick_compiles(double or family == "vision"):
        return run(case, arrays, np.dtype(precision))


@contextlib.contextmanager
def _quick_compiles(on: bool):
    """Losses in float32 are compiled as users compile; for the rest, time matters."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", on)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def topic(case: dict, family: str) -> str:
    """What the adapter of a case is called."""
    return case["method" if family == "contrastive" else "topic"]


def adapter_of(case: dict, family: str):
    """The adapter of a case, or None."""
    table = {"contrastive": adapters.CONTRASTIVE, "vision": adapters.VISION}[family]
    return table.get(topic(case, family))


def read_cases(folder: Path) -> list[dict]:
    """The cases of a folder's manifest."""
    return json.loads((folder / "manifest.json").read_text())["cases"]


def family_of(cases: list[dict]) -> str:
    """The family that a manifest is of, by the form of its cases."""
    return "contrastive" if cases and "method" in cases[0] else "vision"


def _cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _skipped(topic: str, name: str) -> str | None:
    patterns = {**ALTERNATIVES, **adapters.SKIPPED.get(topic, {})}
    names = {name, name.split("/", 1)[-1]}
    reasons = (
        reason
        for pattern, reason in patterns.items()
        if any(fnmatch.fnmatchcase(n, pattern) for n in names)
    )
    return next(reasons, None)


def _contrastive(case: dict, arrays: dict, dtype: np.dtype) -> Outcome:
    adapter, hyper = adapter_of(case, "contrastive"), case["hyper"]
    inputs = {k[3:]: _cast(v, dtype) for k, v in arrays.items() if k.startswith("in_")}
    inputs = {k: jnp.asarray(v) for k, v in inputs.items()}
    trained = {k: inputs[k] for k in case["grads_wrt"]}

    def value(trained):
        out = adapter({**inputs, **trained}, hyper)
        return out["loss"], out

    if trained:
        run = jax.value_and_grad(value, has_aux=True)
        (_, out), gradients = jax.jit(run)(trained)
    else:
        (_, out), gradients = jax.jit(value)(trained), {}
    tolerances = case["suggested_tolerances"]
    errors = _Errors()
    for name, gradient in gradients.items():
        tolerance = tolerances[f"{dtype.name}_grad_tol"][name]
        wanted = [arrays[f"grad_{name}"]]
        if f"gradrenorm_{name}" in arrays:
            wanted.append(arrays[f"gradrenorm_{name}"])
        found = [_gradient_error(gradient, w) for w in wanted]
        best = int(np.argmin(found))
        if tolerance >= 1:  # the true gradient is 0: relative errors say nothing
            size = np.max(np.abs(gradient - wanted[best])).item()
            errors.add(f"grad_{name}", size, 1e-5)
        else:
            errors.add(f"grad_{name}", found[best], tolerance)
    tolerance = tolerances[f"{dtype.name}_loss_rtol"]
    slack = 1e-7 if dtype == np.float32 else 1e-12
    loss = arrays["out_loss"]
    errors.close("loss", out["loss"], loss, slack + tolerance * abs(loss).item())
    wide = max(tolerance, 1e-4 if dtype == np.float32 else 1e-7)
    for name in arrays:
        if name.startswith("aux_"):
            _compare(errors, case["method"], name, out, arrays[name], wide, wide * 1e-2)
    return errors.outcome()


def _vision(case: dict, arrays: dict, dtype: np.dtype) -> Outcome:
    outputs = ("out/", "grad/", "feat/", "after/", "stat/")
    given = {k: _cast(v, dtype) for k, v in arrays.items() if not k.startswith(outputs)}
    out = adapter_of(case, "vision")(given, case["parameters"])
    errors = _Errors()
    # A reference that ran in float32 is no more exact than that.
    conventions = " ".join(case.get("conventions", ()))
    single = "run in float32" in conventions
    # Of several references, those that ran in float32 are stored so.
    partly = "ran in float32" in conventions
    draws = case["parameters"].get("draws", 1)
    for name, wanted in arrays.items():
        if name.startswith(("out/", "grad/")) or (
            name.startswith(outputs) and name in out
        ):
            if name.startswith("stat/"):
                errors.statistic(name, out[name], wanted, draws)
                continue
            text = case["suggested_tolerance"]
            coarse = single or (partly and wanted.dtype == np.float32)
            precision = "float32" if coarse else dtype.name
            rtol, atol = tolerance_of(text, name, precision)
            _compare(errors, case["topic"], name, out, wanted, rtol, atol)
    return errors.outcome()


def _compare(errors, topic, name, out, wanted, rtol, atol) -> None:
    if name in out:
        largest = np.max(np.abs(wanted)).item() if wanted.dtype.kind == "f" else 0.0
        errors.close(name, out[name], wanted, atol + rtol * largest)
    elif _skipped(topic, name) is None:
        errors.failures.append(f"{name} is not returned")


def tolerance_of(text: str, name: str, precision: str) -> tuple[float, float]:
    """Relative and absolute tolerance, from the sentence in the manifest of vision."""
    number = r"(\d+(?:\.\d+)?e-\d+)"
    pieces = [piece.strip() for piece in text.split(";")]
    if precision == "float64":
        wide = [p for p in pieces if p.startswith("float64")]
        if wide:
            value = float(re.findall(number, wide[0])[0])
            return value, value
    narrow = [p for p in pieces if not p.startswith("float64")]
    if "bicubic" in name and any(p.startswith("bicubic") for p in narrow):
        narrow = [p for p in narrow if p.startswith("bicubic")]
    rtol = re.search("rtol " + number, narrow[0])
    rtol = float(rtol[1]) if rtol else 0.0
    rest = re.sub("rtol " + number, "", narrow[0])
    atol = max([float(x) for x in re.findall(number, rest)], default=1e-6)
    return rtol, atol


def _gradient_error(got: Any, wanted: np.ndarray) -> float:
    got = np.asarray(got, np.float64)
    if got.shape != wanted.shape or not np.all(np.isfinite(got)):
        return np.inf
    size = max(np.max(np.abs(got)), np.max(np.abs(wanted)), 1e-9)
    return (np.max(np.abs(got - wanted)) / size).item()


class _Errors:
    """Collects failures, and the largest error as a share of what is allowed."""

    def __init__(self):
        self.failures: list[str] = []
        self.worst = 0.0

    def add(self, name: str, error: float, allowed: float) -> None:
        self.worst = max(self.worst, error / allowed if allowed else error)
        if not error <= allowed:
            self.failures.append(f"{name} is off by {error:.2e}, allowed {allowed:.2e}")

    def close(self, name: str, got: Any, wanted: np.ndarray, allowed: float) -> None:
        got, wanted = np.asarray(got), np.asarray(wanted)
        if got.shape != wanted.shape:
            self.failures.append(f"{name} has shape {got.shape}, not {wanted.shape}")
            return
        if wanted.dtype.kind != "f":
            allowed = 1.0 if wanted.dtype == np.uint8 else 0.0
        elif not np.all(np.isfinite(got)):
            self.failures.append(f"{name} is not finite")
            return
        if wanted.size:
            difference = got.astype(np.float64) - wanted.astype(np.float64)
            self.add(name, np.max(np.abs(difference)).item(), allowed)

    def statistic(self, name: str, got: Any, wanted: np.ndarray, draws: int) -> None:
        """Within 4 standard errors of the difference of two samples.

        Of summaries the mean and the standard deviation are compared; other statistics
        are shares, or counts over the draws.
        """
        got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
        if got.shape != wanted.shape:
            self.failures.append(f"{name} has shape {got.shape}, not {wanted.shape}")
            return
        if wanted.shape == (11,) and "hist" not in name:
            spread = max(wanted[1].item(), 1e-6)
            allowed = 4 * np.sqrt(2 / draws) * spread
            self.add(f"{name} (mean)", abs(got[0] - wanted[0]).item(), allowed)
            self.add(f"{name} (std)", abs(got[1] - wanted[1]).item(), allowed)
            return
        if wanted.ndim and np.max(wanted) > 1:
            got, wanted = got / np.sum(got), wanted / np.sum(wanted)
        variance = np.where((wanted > 0) & (wanted < 1), wanted * (1 - wanted), 0.0)
        variance = np.where((wanted < 0) | (wanted > 1), 1.0, variance)
        allowed = 4 * np.sqrt(2 * variance / draws) + 8 / draws
        share = np.abs(got - wanted) / allowed
        self.add(name, np.max(share).item(), 1.0)

    def outcome(self) -> Outcome:
        return Outcome(self.failures, self.worst)


def check_folder(folder: Path, family: str | None = None) -> tuple[int, int]:
    """Checks every case of a folder, prints a line each; returns passed and failed."""
    cases = read_cases(folder)
    family = family or family_of(cases)
    failed = 0
    for case in cases:
        problems, shares = [], []
        if adapter_of(case, family) is None:
            problems = [f"no adapter for {topic(case, family)!r}"]
        else:
            for precision in ("float32", "float64"):
                try:
                    outcome = check_case(case, folder, family, precision)
                except Exception as error:  # a case that raises is a case that fails
                    outcome = Outcome([f"{type(error).__name__}: {error}"], np.inf)
                problems += [f"{precision}: {text}" for text in outcome.failures]
                shares.append(f"{precision} {outcome.worst:.2f}")
        failed += bool(problems)
        word = "FAIL" if problems else "ok  "
        print(f"{word} {case['id']}: {'; '.join(problems or shares)}", flush=True)
    return len(cases) - failed, failed


def print_skipped() -> None:
    """Prints the names that are not compared, by topic, with the reasons."""
    for name, patterns in {"any topic": ALTERNATIVES, **adapters.SKIPPED}.items():
        for pattern, reason in patterns.items():
            print(f"{name}: {pattern}: {reason}")


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=Path, help="a folder with a manifest.json")
    parser.add_argument("--family", choices=FAMILIES)
    parser.add_argument("--skipped", action="store_true", help="list what is left out")
    options = parser.parse_args(arguments)
    if options.skipped:
        print_skipped()
        return 0
    if options.cases:
        folders = [(options.cases, options.family)]
    else:
        families = [options.family] if options.family else FAMILIES
        folders = [(HERE / family, family) for family in families]
    counts = [check_folder(folder, family) for folder, family in folders]
    passed, failed = (sum(column) for column in zip(*counts, strict=True))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
