"""Plans: compile a config for a topology and predict its step; search; scaling."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sslax import calls
from sslax.core import Method
from sslax.plan._compile import Step, compile_for
from sslax.plan._options import has_option, with_layout, with_option
from sslax.plan._roofline import Roofline, roofline
from sslax.plan._topologies import Topology, sized

__all__ = ["Plan", "describe_layout", "make_plan", "plan_scaling", "search"]

SIZES = (8, 32, 64, 256, 1024)
MODES = ("batch per chip", "global batch")


class Plan(NamedTuple):
    """A config on a topology.

    Attributes:
      target: the topology.
      layout: where the state lives, in words.
      step: what was compiled.
      speed: the prediction; None when nothing was compiled.
    """

    target: Topology
    layout: str
    step: Step
    speed: Roofline | None


def make_plan(
    config: Mapping[str, Any],
    target: Topology,
    *,
    layout: str | None = None,
    effort: str = "O1",
) -> Plan:
    """Compiles the step of a config for a topology and predicts it.

    Args:
      config: the resolved config, plain values.
      target: chips and links, see `topology`.
      layout: "replicated", "fsdp", "fsdp:N"; None is the config's own.
      effort: of the compiler, "O0" to "O3".

    Returns:
      The plan.

    Raises:
      ValueError: if the config or the layout is wrong, the batch does not divide by the
        chips, or the compiler for the chip is not installed.
    """
    config = with_layout(config, layout)
    step = compile_for(config, target, effort=effort)
    return Plan(target, describe_layout(config), step, _speed(step, target))


def _speed(step: Step, target: Topology) -> Roofline | None:
    if not step.traffic:
        return None
    return roofline(
        target,
        model=step.model,
        done=step.done,
        traffic=step.traffic,
        sent=step.sent,
        batch_size=step.config["batch_size"],
    )


def describe_layout(config: Mapping[str, Any]) -> str:
    """The layout, remat, scan and micro-batches of a config, in a few words."""
    name, ways = config["layout"]["name"], config["mesh"]["fsdp"]
    words = [name if name != "fsdp" or ways == -1 else f"fsdp:{ways}"]
    for option in ("remat", "scan"):
        if has_option(config, option) and with_option(config, option, True) == config:
            words.append(option)
    if config["accumulate"] > 1:
        words.append(f"accumulate {config['accumulate']}")
    return ", ".join(words)


def search(
    config: Mapping[str, Any], target: Topology, *, effort: str = "O0"
) -> list[Plan]:
    """Compiles a config in several layouts, with remat and micro-batches.

    Args:
      config: the resolved config.
      target: the topology.
      effort: of the compiler; "O0" is enough to say what fits.

    Returns:
      The plans, those that fit first, the fastest predicted of them first.
    """
    plans: list[Plan] = []
    for candidate in _whole_batches(config, target):
        plans.append(_tried(candidate, target, effort))
    for candidate in _micro_batches(config, target):
        if any(one.step.fits for one in plans):
            break
        plans.append(_tried(candidate, target, effort))
    return sorted(plans, key=_order)


def _tried(candidate: Mapping[str, Any], target: Topology, effort: str) -> Plan:
    name = describe_layout(candidate)
    print(f"compiling {name} for {target.name}", file=sys.stderr, flush=True)
    return make_plan(candidate, target, effort=effort)


def _order(one: Plan) -> tuple[bool, float]:
    return not one.step.fits, one.speed.seconds if one.speed else float("inf")


def _layouts(target: Topology) -> list[str]:
    near = target.shape[-1] if target.chip.kind == "gpu" else max(target.shape)
    layouts = ["replicated"]
    layouts += [f"fsdp:{near}"] if 1 < near < target.count else []
    return layouts + (["fsdp"] if target.count > 1 else [])


def _saving(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """With remat where a network has it, scanned so that its compiler can use it."""
    return with_option(with_option(config, "remat", True), "scan", True)


def _whole_batches(config: Mapping[str, Any], target: Topology) -> Iterator[dict]:
    for layout in _layouts(target):
        yield with_layout(config, layout)
    if has_option(config, "remat"):
        for layout in _layouts(target)[:2]:
            yield with_layout(_saving(config), layout)


def _micro_batches(config: Mapping[str, Any], target: Topology) -> Iterator[dict]:
    if not _splits(config):
        return
    for parts in (2, 4, 8):
        if config["batch_size"] % (parts * target.count) == 0:
            made = with_layout(_saving(config), _layouts(target)[-1])
            yield {**made, "accumulate": parts}


def _splits(config: Mapping[str, Any]) -> bool:
    method = calls.build(config["method"], Method)
    return all(o.separable or o.parts for o in method.objectives.values())


def plan_scaling(
    config: Mapping[str, Any],
    target: Topology,
    *,
    sizes: Sequence[int] = SIZES,
    compiled: Sequence[int] | None = None,
    effort: str = "O0",
) -> list[dict[str, Any]]:
    """Predicts a config on more and more chips.

    At a fixed batch per chip, that of `target`, the work grows with the chips; at a
    fixed global batch each gets less.

    Args:
      config: the resolved config; its batch is that of `target`.
      target: the topology to start from; its chip and batch per chip are kept.
      sizes: numbers of chips.
      compiled: the sizes to compile at, where there is a topology; the others follow
        from the nearest of them by the model. None is all of `sizes` in one slice.
      effort: of the compiler.

    Returns:
      A row for each mode and size: mode, chips, topology, batch_size, compiled,
      seconds, images_per_second, efficiency (against the smallest size), bound, mfu.

    Raises:
      ValueError: if nothing could be compiled.
    """
    rows: list[dict[str, Any]] = []
    per_chip = config["batch_size"] // target.count
    made: dict[tuple[int, int], Plan] = {}
    for mode in MODES:
        bases: dict[int, Plan] = {}
        for count in sorted({*sizes, *(compiled or ())}):
            where = target if count == target.count else sized(target.chip, count)
            batch = per_chip * count if mode == MODES[0] else config["batch_size"]
            wanted = where.slices == 1 if compiled is None else count in compiled
            if not wanted or batch % count:
                continue
            if (count, batch) not in made:
                one = {**config, "batch_size": batch}
                made[count, batch] = _tried(one, where, effort)
            if made[count, batch].speed:
                bases[count] = made[count, batch]
        if not bases:
            raise ValueError(f"{target.name}: nothing compiled at a fixed {mode}")
        found = [
            _row(mode, count, bases, config["batch_size"], per_chip, target)
            for count in sizes
        ]
        rows += _with_efficiency(found)
    return rows


def _row(mode, count, bases, global_batch, per_chip, target) -> dict[str, Any]:
    where = target if count == target.count else sized(target.chip, count)
    batch = per_chip * count if mode == MODES[0] else global_batch
    base = bases[min(bases, key=lambda n: (abs(n - count), n))]
    share = (batch / count) / (base.step.config["batch_size"] / base.target.count)
    speed = base.speed if base.target == where else _scaled(base, where, share, batch)
    assert speed is not None
    return {
        "mode": mode,
        "chips": count,
        "topology": where.name,
        "batch_size": batch,
        "compiled": base.target == where,
        "seconds": speed.seconds,
        "images_per_second": speed.images,
        "bound": speed.bound,
        "mfu": speed.mfu,
    }


def _scaled(base: Plan, where: Topology, share: float, batch: int) -> Roofline:
    """The model: work follows the batch of a chip, the state's traffic does not."""
    step = base.step
    work = share * where.count / base.target.count
    # The optimizer reads and writes the state, and the gradient is a third of it.
    fixed = min(step.traffic, 3.0 * step.arguments)
    sent = []
    for one in step.sent:
        spans = one.group == base.target.count
        sent.append(one._replace(group=where.count) if spans else one)
    return roofline(
        where,
        model=type(step.model)(*(work * n for n in step.model)),
        done=type(step.done)(*(work * n for n in step.done)),
        traffic=fixed + share * (step.traffic - fixed),
        sent=sent,
        batch_size=batch,
    )


def _with_efficiency(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first = rows[0]["images_per_second"] / rows[0]["chips"]
    return [
        {**row, "efficiency": row["images_per_second"] / row["chips"] / first}
        for row in rows
    ]
