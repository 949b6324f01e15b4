"""Which stored array fits which place, and what must change for it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
from jax.sharding import NamedSharding, PartitionSpec

from sslax import calls, models

__all__ = ["Fit", "fitted", "statistics_of", "under"]

_SHOWN = 6


class Fit(NamedTuple):
    """A stored array for one place.

    Attributes:
      name: its path where it is stored.
      stored: its shape and type there, with the sharding to read it with.
      change: makes it the array of the place.
    """

    name: str
    stored: jax.ShapeDtypeStruct
    change: Callable[[Any], Any]


def fitted(
    one: Any, shapes: Mapping[str, Any], places: Mapping[str, Any]
) -> dict[str, Fit]:
    """Finds a stored array for every place of a graft.

    Args:
      one: the graft, see `sslax.train.start.Graft`.
      shapes: what is stored, by path.
      places: arrays of the new state by path.

    Returns:
      Fits by place.

    Raises:
      ValueError: if a path does not exist, or names, shapes or types differ.
    """
    names, wanted = _tree(one.run, shapes, one.take), _tree("this run", places, one.put)
    kept = _left_out(one.without)
    names = {k: v for k, v in names.items() if not kept(k)}
    wanted = {k: v for k, v in wanted.items() if not kept(k)}
    pairs = _spread(one.spread, names, wanted)
    pairs |= {k: k for k in wanted if k in names and k not in pairs}
    fits, wrong = {}, []
    for name in wanted.keys() - pairs.keys():
        wrong.append(f"{wanted[name]}: {one.run} has nothing for it")
    for name in names.keys() - set(pairs.values()):
        wrong.append(f"{names[name]}: this run has no place for it")
    for name, taken in pairs.items():
        place, source = places[wanted[name]], shapes[names[taken]]
        change = _change(name, source, place, one.resize)
        if change is None:
            wrong.append(
                f"{wanted[name]}: {_text(source)} in {one.run}, {_text(place)} here"
                f"{_hint(name, one.resize)}"
            )
            continue
        like = jax.ShapeDtypeStruct(
            source.shape, source.dtype, sharding=_sharding(source, place)
        )
        fits[wanted[name]] = Fit(names[taken], like, change)
    if wrong:
        raise ValueError(_message(one, sorted(wrong)))
    return fits


def statistics_of(path: str) -> str | None:
    """Where the batch statistics of the parameters at a path lie.

    Args:
      path: of parameters: "params/encoder", "extra/teacher/encoder".

    Returns:
      "extra/stats/encoder", "extra/teacher_stats/encoder"; None for a path of
      statistics.
    """
    head, _, rest = path.partition("/")
    if head == "params":
        return f"extra/stats/{rest}".rstrip("/")
    name, _, rest = rest.partition("/")
    if not name or name.endswith("stats"):
        return None
    return f"extra/{name}_stats/{rest}".rstrip("/")


def under(paths: Iterable[str], root: str) -> dict[str, str]:
    """Paths at or under a root.

    Args:
      paths: all paths.
      root: a path.

    Returns:
      Paths by what follows the root in them.
    """
    return {
        path[len(root) :].lstrip("/"): path
        for path in paths
        if f"{path}/".startswith(f"{root}/")
    }


def _tree(whose: str, paths: Mapping[str, Any], root: str) -> dict[str, str]:
    found = under(paths, root)
    if found:
        return found
    parent, choices = root, {}
    while parent and not choices:
        parent = parent.rpartition("/")[0]
        choices = under(paths, parent) if parent else {p: p for p in paths}
    prefix = f"{parent}/" if parent else ""
    choices = {f"{prefix}{name.partition('/')[0]}" for name in choices}
    raise ValueError(f"{whose} has nothing at {root!r}: {calls.nearest(root, choices)}")


def _left_out(patterns: Iterable[str]) -> Callable[[str], bool]:
    found = [re.compile(rf"({p})(/.*)?") for p in patterns]

    def kept(name):
        # Statistics have the name of their Flax collection before that of the layer.
        layer = re.sub(r"(^|/)batch_stats/", r"\1", name)
        return any(pattern.fullmatch(layer) for pattern in found)

    return kept


def _spread(pairs, names, wanted) -> dict[str, str]:
    """Names here by the one name there from which they are all copied."""
    found = {}
    for taken, pattern in pairs:
        for rest in under(names, taken):
            tail = f"/{re.escape(rest)}" if rest else ""
            matches = [n for n in wanted if re.fullmatch(f"{pattern}{tail}", n)]
            found |= {n: f"{taken}/{rest}".rstrip("/") for n in matches}
    return found


def _change(name: str, source, place, resize: str | None):
    """What makes the stored array that of the place; None if nothing does."""
    if source.dtype != place.dtype:
        return None
    if source.shape == place.shape:
        return _same
    if resize is None or source.shape[-1] != place.shape[-1]:
        return None
    if name.endswith("pos_embed") and len(source.shape) == 3:
        return _positions(source.shape[1], place.shape[1], resize)
    if name.endswith("table") and len(source.shape) == 2:
        return _relative(source.shape[0], place.shape[0])
    return None


def _same(x):
    return x.copy()


def _positions(old: int, new: int, resize: str):
    for prefix in (1, 0, 2):
        before, after = (round(max(n - prefix, 0) ** 0.5) for n in (old, new))
        if (before**2, after**2) == (old - prefix, new - prefix):
            return functools.partial(
                models.resize_positions,
                height=after,
                width=after,
                prefix=prefix,
                convention=resize,
            )
    return None


def _relative(old: int, new: int):
    for prefix in (0, 3):
        spans = [round(max(n - prefix, 0) ** 0.5) for n in (old, new)]
        squares = [s**2 + prefix for s in spans] == [old, new]
        if squares and all(s % 2 for s in spans):
            return functools.partial(
                models.resize_relative_positions,
                side=(spans[1] + 1) // 2,
                prefix=prefix,
            )
    return None


def _sharding(source, place):
    """As the place, or whole on its devices if the shapes differ."""
    if source.shape == place.shape or not isinstance(place.sharding, NamedSharding):
        return place.sharding
    return NamedSharding(place.sharding.mesh, PartitionSpec())


def _text(x) -> str:
    return f"{x.dtype}{list(x.shape)}"


def _hint(name: str, resize: str | None) -> str:
    if resize is None and name.endswith(("pos_embed", "table")):
        return " (resize='size' interpolates positions)"
    return ""


def _message(one, wrong) -> str:
    more = len(wrong) - _SHOWN
    listed = "\n  ".join(wrong[:_SHOWN] + ([f"and {more} more"] if more > 0 else []))
    return (
        f"{one.take} of {one.run} does not fit {one.put} of this run:\n  {listed}\n"
        "What is to stay as it starts is named by `without`."
    )
