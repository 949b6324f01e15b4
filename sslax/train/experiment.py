"""From a config to the values that a run is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh

from sslax import calls, data, sharding, step
from sslax.core import Method
from sslax.kinds import Builder
from sslax.schedules import Schedule

__all__ = [
    "Experiment",
    "Program",
    "build_experiment",
    "build_program",
    "open_source",
]


class Program(NamedTuple):
    """What a config compiles to.

    Attributes:
      method: the method.
      txs: optimizers by objective.
      rates: learning rates by objective, functions of the step, for the log.
      views: `(key, batch) -> batch`.
      mesh: the mesh.
      layout: shardings of the state.
      init: compiled `(batch, key) -> state`.
      shapes: shapes of the state, with shardings: the target of a restore.
      train_step: compiled `(state, batch, key) -> (state, metrics)`.
    """

    method: Method
    txs: Mapping[str, optax.GradientTransformation]
    rates: Mapping[str, Callable[[int], Any]]
    views: Callable[..., Any]
    mesh: Mesh
    layout: Any
    init: Callable[..., Any]
    shapes: Any
    train_step: Callable[..., Any]


class Experiment(NamedTuple):
    """What a run is made of: its config, its data, and its `Program`.

    Attributes:
      config: the resolved config.
      loader: batches by number, see `sslax.data.loader`.
      method, txs, rates, views, mesh: as in `Program`.
      layout, init, shapes, train_step: as in `Program`.
    """

    config: Mapping[str, Any]
    loader: Any
    method: Method
    txs: Mapping[str, optax.GradientTransformation]
    rates: Mapping[str, Callable[[int], Any]]
    views: Callable[..., Any]
    mesh: Mesh
    layout: Any
    init: Callable[..., Any]
    shapes: Any
    train_step: Callable[..., Any]


def open_source(config: Mapping[str, Any], split: str) -> data.Source:
    """The data of a run.

    Args:
      config: the resolved config.
      split: "train" or "test": which of `data.train` and `data.test` to open; where the
        latter is empty, it is what belongs to the training data (`data.test_of`).

    Returns:
      A source.

    Raises:
      ValueError: if the data are not there, or there is nothing to test on.
    """
    d = config["data"]
    spec = d[split] or (data.test_of(d["train"]) if split == "test" else "")
    if not spec:
        raise ValueError(
            "there is nothing to evaluate on: no other split belongs to"
            f" {_brief(d['train'])}; give --config.data.test="
            if split == "test"
            else "there are no data: give --config.data.train=, as folder:/path"
        )
    source = calls.build(spec, data.Source)
    return dataclasses.replace(source, on_error=d["on_error"])


def _brief(spec: Any) -> str:
    return repr(spec if isinstance(spec, str) else spec.get("name"))


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
    _check_batch(config["batch_size"], mesh)
    _check_periods(config)
    method = calls.build(config["method"], Method)
    views = calls.build(config["views"], Builder)
    specs = _optimizer_specs(config["optimizer"], method)
    txs = {
        name: calls.build(spec, optax.GradientTransformation)
        for name, spec in specs.items()
    }
    rule = calls.build(config["layout"], sharding.Rule)
    init, layout = step.compile_init(method, txs, views, mesh, rule, batch)
    return Program(
        method=method,
        txs=txs,
        rates={name: _rate(spec) for name, spec in specs.items()},
        views=views,
        mesh=mesh,
        layout=layout,
        init=init,
        shapes=_with_shardings(method, txs, views, batch, layout),
        train_step=step.compile_step(
            method,
            txs,
            views,
            mesh,
            layout,
            steps_per_call=config["steps_per_call"],
            accumulate=config["accumulate"],
        ),
    )


def build_experiment(config: Mapping[str, Any]) -> Experiment:
    """Makes everything that a run needs, compiled functions included.

    Args:
      config: the resolved config, plain values.

    Returns:
      The parts of the run.

    Raises:
      ValueError: if a call in the config is wrong, or the batch does not divide by the
        devices.
    """
    mesh = sharding.make_mesh(**config["mesh"])
    _check_batch(config["batch_size"], mesh)
    d = config["data"]
    source = open_source(config, "train")
    data.check_examples(source, config["examples"], batch_size=config["batch_size"])
    loader = data.loader(
        source,
        batch_size=config["batch_size"],
        seed=config["seed"],
        canvas=d["canvas"],
        workers=d["workers"],
    )
    program = build_program(config, mesh, loader.shapes)
    return Experiment(config=config, loader=loader, **program._asdict())


def _check_batch(batch_size: int, mesh: Mesh) -> None:
    count = mesh.size
    if batch_size % count:
        lower = batch_size // count * count
        sizes = [n for n in (lower, lower + count) if n > 0]
        raise ValueError(
            f"batch_size={batch_size} does not divide by {count} devices; "
            f"the nearest sizes are {' and '.join(map(str, sizes))}"
        )


def _check_periods(config: Mapping[str, Any]) -> None:
    """What happens every so many steps must fall between two calls."""
    n = config["steps_per_call"]
    fields = {
        "steps": config["steps"],
        "log_every": config["log_every"],
        "checkpoint.every": config["checkpoint"]["every"],
        "evaluate.every": config["evaluate"]["every"],
    }
    for name, value in fields.items():
        if value < 0 or (value == 0 and name in ("steps", "log_every")):
            raise ValueError(f"{name} must be positive; got {value}")
        if value % n:
            raise ValueError(
                f"{name}={value} is not a multiple of steps_per_call={n}; the nearest "
                f"is {max(n, round(value / n) * n)}"
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


def _rate(spec: Mapping[str, Any]) -> Callable[[int], Any]:
    schedule = spec.get("schedule")
    multiplier = calls.build(schedule, Schedule) if schedule else lambda step: 1.0
    return lambda step: spec["learning_rate"] * multiplier(step)


def _with_shardings(method, txs, views, batch, layout):
    shapes = jax.eval_shape(
        lambda b, k: step.init_state(method, txs, views, b, k), batch, jax.random.key(0)
    )
    return jax.tree.map(
        lambda s, sharding: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=sharding),
        shapes,
        layout,
    )
