"""What a config compiles to, from the shapes of a batch alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh

from sslax import calls, rates, sharding, step
from sslax.core import Drawn, Method, in_parts
from sslax.kinds import Builder
from sslax.views import normalized

__all__ = ["Program", "build_program"]

_DTYPES = ("float32", "bfloat16")  # that networks compute in


class Program(NamedTuple):
    """What a config compiles to.

    Attributes:
      method: the method.
      txs: optimizers by objective.
      rates: learning rates and other schedules by name, functions of the step.
      views: `(key, batch) -> batch` of training, normalised.
      evaluation_views: `(key, batch) -> batch` of evaluation, normalised.
      plain: the views of training before they are normalised, to look at.
      plain_evaluation: those of evaluation.
      mesh: the mesh.
      init: compiled `(batch, key) -> state`.
      shapes: shapes of the state, with shardings: the target of a restore.
      train_step: compiled `(state, batch, key) -> (state, metrics)`.
    """

    method: Method
    txs: Mapping[str, optax.GradientTransformation]
    rates: Mapping[str, Callable[[int], Any]]
    views: Builder
    evaluation_views: Builder
    plain: Builder
    plain_evaluation: Builder
    mesh: Mesh
    init: Callable[..., Any]
    shapes: Any
    train_step: Callable[..., Any]


def build_program(
    config: Mapping[str, Any], mesh: Mesh, batch: Mapping[str, jax.ShapeDtypeStruct]
) -> Program:
    """What a config compiles to, from the shapes of a batch alone.

    Args:
      config: the resolved config, plain values.
      mesh: the mesh, of this machine's devices or of described ones.
      batch: shapes of a global batch, as the data gives it.

    Returns:
      The compiled functions and what they are made of.

    Raises:
      ValueError: if a call in the config is wrong, or the batch does not divide by the
        devices.
    """
    sharding.check_batch(config["batch_size"], mesh)
    _check_periods(config)
    _check_micro_batches(config)
    _check_dtype(config)
    _check_warmup(config)
    _check_banks(config)
    method = calls.build(config["method"], Method)
    plain, plain_evaluation = (
        calls.build(spec, Builder)
        for spec in (config["views"], config["evaluate"]["views"])
    )
    views, evaluation_views = (
        traced_once(normalized(builder, statistics=config["normalize"]))
        for builder in (plain, plain_evaluation)
    )
    specs = _optimizer_specs(config["optimizer"], method)
    txs = {
        name: calls.build(spec, optax.GradientTransformation)
        for name, spec in specs.items()
    }
    rule = calls.build(config["layout"], sharding.Rule)
    init, shapes = step.compile_init(method, txs, views, mesh, rule, batch)
    return Program(
        method=method,
        txs=txs,
        rates=_rates(config, specs),
        views=views,
        evaluation_views=evaluation_views,
        plain=plain,
        plain_evaluation=plain_evaluation,
        mesh=mesh,
        init=init,
        shapes=shapes,
        train_step=step.compile_step(
            method,
            txs,
            views,
            mesh,
            shapes,
            steps_per_call=config["steps_per_call"],
            accumulate=config["accumulate"],
        ),
    )


def traced_once(views: Builder) -> Builder:
    """The same, inline where it is called: initialisation and step both have it."""
    parts = in_parts(views)
    return Drawn(*(jax.jit(part, inline=True) for part in (parts.draw, parts.make)))


def _check_periods(config: Mapping[str, Any]) -> None:
    """What happens every so many steps must fall between two calls."""
    n = config["steps_per_call"]
    counts = {"steps_per_call": n, "accumulate": config["accumulate"]}
    counts["checkpoint.keep"] = config["checkpoint"]["keep"]
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}")
    fields = {
        "steps": config["steps"],
        "log_every": config["log_every"],
        "checkpoint.every": config["checkpoint"]["every"],
        "evaluate.every": config["evaluate"]["every"],
    }
    for name, value in fields.items():
        if value <= 0 and name in ("steps", "log_every"):
            raise ValueError(f"{name} must be positive; got {value}{_of(config, name)}")
        if value < 0:
            raise ValueError(f"{name} must be 0, which is never, or more; got {value}")
        if value % n:
            raise ValueError(
                f"{name}={value} is not a multiple of steps_per_call={n}; the nearest "
                f"is {max(n, round(value / n) * n)}"
            )


def _check_micro_batches(config: Mapping[str, Any]) -> None:
    size, count = config["batch_size"], config["accumulate"]
    if size % count:
        raise ValueError(f"accumulate={count} does not divide the batch of {size}")


def _of(config: Mapping[str, Any], name: str) -> str:
    """What a number of steps follows from."""
    epochs, steps = config["epochs"], config["steps_per_epoch"]
    follows = name == "steps" and epochs * steps == config["steps"]
    return f" ({epochs} epochs of {steps} steps)" if follows else ""


def _check_dtype(config: Mapping[str, Any]) -> None:
    dtype = config.get("dtype", "float32")
    if dtype not in _DTYPES:
        raise ValueError(f"dtype is {dtype!r}: {calls.nearest(str(dtype), _DTYPES)}")


def _check_warmup(config: Mapping[str, Any]) -> None:
    """A run must be longer than its warm-up."""
    epochs, warmup = config["epochs"], config["warmup_epochs"]
    if warmup and warmup * config["steps_per_epoch"] >= config["steps"]:
        raise ValueError(
            f"the warm-up of {warmup} epochs, warmup_epochs, fills the run: epochs="
            f"{epochs}, steps={config['steps']}; give --config.warmup_epochs="
            f"{epochs // 10} or more epochs"
        )


def _check_banks(config: Mapping[str, Any]) -> None:
    """What keeps something for every image, by its `index`, has a place for each."""
    places, examples = config["method"].get("examples"), config["examples"]
    if places is not None and places < examples:
        raise ValueError(
            f"the method has a place for each of {places} images, and there are "
            f"{examples}; give --config.method.examples={examples}"
        )


def _optimizer_specs(spec: Mapping[str, Any], method: Method) -> dict[str, Any]:
    """One optimizer for every objective, or a mapping from objectives to optimizers."""
    if "name" in spec:
        return dict.fromkeys(method.objectives, spec)
    if set(spec) != set(method.objectives):
        raise ValueError(
            f"optimizer has the entries {sorted(spec)}; the method's objectives are "
            f"{sorted(method.objectives)}"
        )
    return dict(spec)


def _rates(config, specs: Mapping[str, Any]) -> dict[str, Callable[[int], Any]]:
    """What changes with time: in optimizers by objective, and in the method."""
    found = {
        f"{objective}/{name}": rate
        for objective, spec in specs.items()
        for name, rate in rates.rates(spec).items()
    }
    return found | rates.rates(config["method"])
