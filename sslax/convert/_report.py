"""What was read, what is missing, what is left over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sslax.convert._names import Table

__all__ = ["Report", "format_report", "report_of", "shape_text"]


class Report(NamedTuple):
    """How the tensors of a file and a network fit.

    Attributes:
      prefix: what stood before the names.
      taken: how many tensors were read.
      missing: the names of those that the network wants and the file has not.
      unexpected: those that stand among them and that the network has not.
      misshaped: those of another shape, with both, or with other fixed values.
      left_out: those that are known not to be of the network: heads, decoders,
        counters, and all under another prefix.
    """

    prefix: str
    taken: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshaped: tuple[str, ...]
    left_out: tuple[str, ...]


def report_of(
    table: Table,
    state_dict: Mapping[str, Any],
    prefix: str,
    taken: Collection[str],
    *,
    missing: Sequence[str],
    misshaped: Sequence[str],
) -> Report:
    """Sorts what was not read into what is and what is not of the network."""
    left_out, unexpected = [], []
    for key in state_dict.keys() - set(taken):
        inner = key.removeprefix(prefix)
        known = any(re.fullmatch(pattern, inner) for pattern in table.left_out)
        inside = key.startswith(prefix) and not known
        (unexpected if inside else left_out).append(key)
    return Report(
        prefix=prefix,
        taken=len(taken),
        missing=tuple(sorted(missing)),
        unexpected=tuple(sorted(unexpected)),
        misshaped=tuple(sorted(misshaped)),
        left_out=tuple(sorted(left_out)),
    )


def format_report(report: Report) -> str:
    """A report as lines of text: every name, but of those left out only groups.

    Args:
      report: from `from_torch`.

    Returns:
      The text.

    Example:
      >>> print(format_report(Report("module.", 3, ("module.a",), (), (), ("b.c.d",))))
      3 tensors read under 'module.'
        missing: module.a
        left out: 1 under b.c
    """
    under = f" under {report.prefix!r}" if report.prefix else ""
    lines = [f"{report.taken} tensors read{under}"]
    for kind in ("missing", "unexpected", "misshaped"):
        lines += [f"  {kind}: {name}" for name in getattr(report, kind)]
    groups = Counter(".".join(name.split(".")[:2]) for name in report.left_out)
    lines += [f"  left out: {count} under {group}" for group, count in groups.items()]
    return "\n".join(lines)


def shape_text(shape: Sequence[int]) -> str:
    """A shape as "[2, 3]"."""
    return str(list(shape))
