"""How a case of the contrastive family is run and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.goldens import adapters
from tests.goldens.errors import Errors, Outcome
from tests.goldens.reading import Reading, met
from tests.goldens.tolerances import Conditioning, cast

TABLE = adapters.CONTRASTIVE


def topic(case: dict) -> str:
    """What the adapter of a case is called."""
    return case["method"]


def run(case: dict, inputs: Reading, hyper: Reading) -> Mapping[str, Any]:
    """The outputs of a case, and `grad_*` of its trained inputs."""
    adapter = TABLE[topic(case)]
    trained = {name: jnp.asarray(inputs[name]) for name in case["grads_wrt"]}

    def value(trained):
        out = adapter(inputs.replaced(trained), hyper)
        return out["loss"], out

    if not trained:
        return jax.jit(value)(trained)[1]
    compiled = jax.jit(jax.value_and_grad(value, has_aux=True))
    (_, out), gradients = compiled(trained)
    return out | {f"grad_{name}": g for name, g in gradients.items()}


def _read(arrays: Mapping[str, np.ndarray]) -> Reading:
    return Reading({name: jnp.asarray(x) for name, x in arrays.items()})


def check(case: dict, arrays: Mapping[str, np.ndarray], dtype: np.dtype) -> Outcome:
    """Runs a case in one precision and compares it."""
    hyper, errors = Reading(case["hyper"]), Errors()
    given = {k[3:]: v for k, v in arrays.items() if k.startswith("in_")}
    inputs = _read(cast(given, dtype))
    out = run(case, inputs, hyper)
    errors.unread(adapters.not_read(topic(case)), hyper, inputs)

    def again(arrays):
        with jax.enable_x64(True):
            return run(case, _read(arrays), hyper)

    single = dtype == np.float32
    rounding = Conditioning(again, given) if single else None
    _gradients(errors, case, arrays, out, dtype, rounding)
    tolerance = case["suggested_tolerances"][f"{dtype.name}_loss_rtol"]
    slack = 1e-7 if single else 1e-12
    loss = arrays["out_loss"]
    allowed = slack + tolerance * abs(loss).item()
    errors.close("loss", out["loss"], loss, allowed, _more(rounding, "loss", loss))
    wide = max(tolerance, 1e-4 if single else 1e-7)
    for name, wanted in arrays.items():
        if not name.startswith("aux_"):
            continue
        if name in out:
            largest = np.max(np.abs(wanted)).item() if wanted.dtype.kind == "f" else 0.0
            allowed = wide * 1e-2 + wide * largest
            more = _more(rounding, name, wanted)
            errors.close(name, out[name], wanted, allowed, more)
        elif met(adapters.skipped(topic(case)), name) is None:
            errors.failures.append(f"{name} is not returned")
    return errors.outcome()


def _more(rounding: Conditioning | None, name: str, wanted: np.ndarray):
    return rounding and (
        lambda error: rounding.allowed(lambda out: out[name], wanted, error)
    )


def _gradients(errors, case, arrays, out, dtype, rounding) -> None:
    tolerances = case["suggested_tolerances"][f"{dtype.name}_grad_tol"]
    for name in case["grads_wrt"]:
        name, tolerance = f"grad_{name}", tolerances[name]
        wanted = [arrays[name]]
        if f"gradrenorm_{name[5:]}" in arrays:
            wanted.append(arrays[f"gradrenorm_{name[5:]}"])
        found = [_distance(out[name], each) for each in wanted]
        best = int(np.argmin(found))
        size = max(np.max(np.abs(wanted[best])).item(), 1e-9)
        # Where the true gradient is 0, relative errors say nothing.
        allowed = 1e-5 if tolerance >= 1 else tolerance * size
        errors.add(name, found[best], allowed, _more(rounding, name, wanted[best]))


def _distance(got: Any, wanted: np.ndarray) -> float:
    got = np.asarray(got, np.float64)
    if got.shape != wanted.shape or not np.all(np.isfinite(got)):
        return np.inf
    return np.max(np.abs(got - wanted)).item()
