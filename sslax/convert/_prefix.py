"""Which of the networks in a file is meant: what stands before its names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sslax.convert._names import Name
from sslax.convert._target import Target

__all__ = ["choose_prefix"]

# Of several networks in a file that fit equally, the one that papers evaluate.
_PREFERRED = ("teacher", "encoder_q", "base_encoder", "encoder")


def choose_prefix(
    state_dict: Mapping[str, Any], names: Mapping[tuple[str, str], Name], target: Target
) -> str:
    """What stands before the names: the choice under which most are found."""
    wanted = {name.torch for name in names.values()} - {None}
    counts: Counter[str] = Counter()
    for key in state_dict:
        parts = key.split(".")
        for i in range(len(parts)):
            if ".".join(parts[i:]) in wanted:
                counts["".join(f"{part}." for part in parts[:i])] += 1
    if not counts:
        raise ValueError(
            f"the file has no tensor of {target.call['name']}: its names are like "
            f"{_some(state_dict)}, those of {target.call['name']} like {_some(wanted)}"
        )
    best = [p for p, count in counts.items() if count == max(counts.values())]
    ranks = {p: _rank(p) for p in best}
    chosen = [p for p in best if ranks[p] == min(ranks.values())]
    if len(chosen) > 1:
        raise ValueError(
            f"several networks fit {target.call['name']}; choose one by prefix: "
            f"{', '.join(map(repr, sorted(best)))}"
        )
    return chosen[0]


def _rank(prefix: str) -> int:
    parts = prefix.split(".")
    ranks = [i for i, part in enumerate(_PREFERRED) if part in parts]
    return min(ranks, default=len(_PREFERRED))


def _some(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names)[:3]))
