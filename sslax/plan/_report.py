"""A plan as one screen of text, and as plain values for a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sslax.plan._advice import advice
from sslax.plan._input import reading
from sslax.plan._movers import Mover, senders
from sslax.plan._plan import Plan
from sslax.plan._traffic import Collective

__all__ = ["plan_values", "scaling_screen", "screen", "search_screen"]

_GIB = 2**30


def screen(one: Plan, *, per_core: float | None = None, movers: int = 0) -> str:
    """A plan for people.

    Args:
      one: the plan.
      per_core: see `reading`.
      movers: how many of what moves most to list, through memory and over links.

    Returns:
      Lines of text.
    """
    chip, step = one.target.chip, one.step
    lines = [
        f"{step.config['method']['name']} on {one.target.name}: {one.target.count} "
        f"{chip.name} chips, batch {step.config['batch_size']}, layout {one.layout}",
        "",
        f"  compiles      {'yes' if one.speed else 'no: ' + step.cause}",
    ]
    if one.speed and step.cause:
        lines.append(f"  fits          no: {step.cause}")
    elif one.speed:
        lines.append("  fits          yes")
    lines += _memory(one) + _flops(one)
    if one.speed:
        lines += _collectives(step.sent) + _prediction(one) + _input(one, per_core)
        lines += _movers(one, movers)
    if not step.fits:
        lines += _help(one)
    return "\n".join(lines)


def _memory(one: Plan) -> list[str]:
    step, chip = one.step, one.target.chip
    if not one.speed:
        return [f"  state         {_size(step.arguments)} on each chip"]
    return [
        f"  memory        {_size(step.needed)} of {_size(chip.usable)} on each chip "
        f"({step.needed / chip.usable:.0%}): arguments {_size(step.arguments)}, "
        f"temporaries {_size(step.temporaries)}"
    ]


def _flops(one: Plan) -> list[str]:
    step = one.step
    again = step.done.products / max(step.model.products, 1.0)
    return [
        f"  FLOPs         {step.model.products:.3g} a step in matrix products "
        f"({step.model.products / step.config['batch_size'] / 1e9:.1f} G an image); "
        f"the chip does {again:.2f} times that (padding, remat)"
    ]


def _by_kind(sent: Sequence[Collective]) -> dict[tuple[str, str], tuple[float, float]]:
    table: dict[tuple[str, str], tuple[float, float]] = {}
    for one in sent:
        count, size = table.get((one.kind, one.dtype), (0.0, 0.0))
        table[one.kind, one.dtype] = (
            count + one.count,
            size + one.count * one.bytes,
        )
    return dict(sorted(table.items(), key=lambda pair: -pair[1][1]))


def _collectives(sent: Sequence[Collective]) -> list[str]:
    if not sent:
        return ["  collectives   none"]
    rows = [
        f"{kind} {dtype}: {_size(size)} in {count:.0f}"
        for (kind, dtype), (count, size) in _by_kind(sent).items()
    ]
    return ["  collectives   " + "\n                ".join(rows)]


def _prediction(one: Plan) -> list[str]:
    speed = one.speed
    assert speed is not None
    return [
        f"  at best       compute {_time(speed.compute)}, memory "
        f"{_time(speed.memory)}, interconnect {_time(speed.network)} "
        f"({_time(speed.exposed)} not hidden)",
        f"  prediction    {_time(speed.seconds)} a step, bound by {speed.bound}: "
        f"{_round(speed.images)} images/s, MFU {speed.mfu:.0%}",
        "                an upper bound of the speed, computed and not measured",
    ]


def _input(one: Plan, per_core: float | None) -> list[str]:
    read = reading(one, per_core=per_core)
    if read is None:
        return []
    origin = "" if per_core else ", as measured; --images_per_core= gives yours"
    images, cores, rate = map(_round, (read.images, read.cores, read.rate))
    return [
        f"  input         {images} images/s on each of {read.hosts} hosts, "
        f"{cores} cores that decode {rate} each",
        f"                onto a canvas of {read.canvas} pixels{origin}",
    ]


def _movers(one: Plan, count: int) -> list[str]:
    if count < 1:
        return []
    links = [
        f"{_mover(mover)}  {_time(mover.seconds)}"
        for mover in senders(one.step.sent, one.target)[:count]
    ]
    memory = [_mover(mover) for mover in one.step.moved[:count]]
    title = ["", f"  most bytes through memory, of {_size(one.step.traffic)}:"]
    return title + memory + ["", "  most bytes over links, of each chip:"] + links


def _mover(one: Mover) -> str:
    where = one.where if len(one.where) <= 60 else "..." + one.where[-57:]
    return (
        f"    {_size(one.bytes):>10} {one.share:6.1%} {one.count:5.0f} x "
        f"{one.opcode:22} {one.array:24} {where}{' (backward)' if one.backward else ''}"
    )


def _help(one: Plan) -> list[str]:
    found = advice(one.step, one.target)
    if not found:
        return ["", "  add --search to compile it in other layouts"]
    return ["", "  what would fit, by estimate (--search compiles them):"] + [
        f"    {line}" for line in found
    ]


def search_screen(
    plans: Sequence[Plan], *, per_core: float | None = None, movers: int = 0
) -> str:
    """What a search found.

    Args:
      plans: as `search` orders them.
      per_core: see `reading`.
      movers: how many of what moves most to list, through memory and over links.

    Returns:
      Lines of text, the fastest that fits first.
    """
    lines = [f"{'layout':34}{'memory':>12}  prediction"]
    for one in plans:
        if one.step.fits and one.speed:
            told = f"{_time(one.speed.seconds)}, {_round(one.speed.images)} images/s"
            told += f", bound by {one.speed.bound}"
        else:
            told = f"does not fit: {one.step.cause}"
        lines.append(f"{one.layout:34}{_size(one.step.needed):>12}  {told}")
    fitting = [one for one in plans if one.step.fits]
    if fitting:
        best = fitting[0]
        lines += [
            "",
            f"proposed: {best.layout}",
            "",
            screen(best, per_core=per_core, movers=movers),
        ]
    else:
        lines += ["", "nothing that was tried fits; a smaller batch or more chips may"]
    return "\n".join(lines)


def scaling_screen(rows: Sequence[Mapping[str, Any]]) -> str:
    """Predicted efficiency by number of chips.

    Args:
      rows: as `plan_scaling` gives them.

    Returns:
      Lines of text.
    """
    lines = []
    for mode in dict.fromkeys(row["mode"] for row in rows):
        lines += [f"fixed {mode}", f"{'chips':>7} {'batch':>8} {'step':>9} "]
        lines[-1] += f"{'images/s':>11} {'efficiency':>11}  bound by      from"
        for row in rows:
            if row["mode"] == mode:
                lines.append(_scaling_row(row))
        lines.append("")
    return "\n".join(lines[:-1])


def _scaling_row(row: Mapping[str, Any]) -> str:
    origin = row["topology"] if row["compiled"] else f"model of {row['topology']}"
    return (
        f"{row['chips']:7d} {row['batch_size']:8d} {_time(row['seconds']):>9} "
        f"{_round(row['images_per_second']):>11} {row['efficiency']:11.0%}  "
        f"{row['bound']:13} {origin}"
    )


def plan_values(
    one: Plan, *, per_core: float | None = None, movers: int = 0
) -> dict[str, Any]:
    """A plan as plain values.

    Args:
      one: the plan.
      per_core: see `reading`.
      movers: how many of what moves most to list, through memory and over links.

    Returns:
      Numbers, strings and lists, for JSON.
    """
    step, read = one.step, reading(one, per_core=per_core)
    sent = senders(step.sent, one.target) if movers else []
    most = {
        "memory": [mover._asdict() for mover in step.moved[:movers]],
        "links": [mover._asdict() for mover in sent[:movers]],
    }
    return {
        "method": step.config["method"]["name"],
        "topology": one.target.name,
        "chips": one.target.count,
        "batch_size": step.config["batch_size"],
        "dtype": step.config["dtype"],
        "layout": one.layout,
        "compiles": one.speed is not None,
        "fits": step.fits,
        "cause": step.cause,
        "memory": {
            "arguments": step.arguments,
            "temporaries": step.temporaries,
            "needed": step.needed,
            "usable": one.target.chip.usable,
        },
        "flops": {"model": step.model._asdict(), "done": step.done._asdict()},
        "traffic": step.traffic,
        "collectives": [
            {"kind": kind, "dtype": dtype, "count": count, "bytes": size}
            for (kind, dtype), (count, size) in _by_kind(step.sent).items()
        ],
        "prediction": one.speed._asdict() if one.speed else None,
        "input": read._asdict() if read else None,
        "chip": one.target.chip._asdict(),
        **({"movers": most} if movers else {}),
    }


def _size(count: float) -> str:
    for unit, size in (("GiB", _GIB), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count:.0f} B"


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds * 1e6:.0f} us"


def _round(number: float) -> str:
    """Three digits, as more would promise too much."""
    if number <= 0:
        return "0"
    digits = 2 - math.floor(math.log10(number))
    return f"{round(number, digits):,.{max(digits, 0)}f}"
