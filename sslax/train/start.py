"""Starting from other runs: their arrays enter the first state of a new one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from absl import logging

from sslax import calls, convert
from sslax.core import Net, State
from sslax.train.fitting import Fit, fitted, statistics_of, under
from sslax.train.stored import Stored, paths_of, stored, tree_at
from sslax.train.workdir import read_config

__all__ = ["Graft", "encoder_of", "graft", "grafts_of"]

_SHORT = re.compile(
    r"(?P<run>.+?)(:(?P<take>(params|extra)(/[^=]*)?)(=(?P<put>(params|extra).*))?)?"
)


_TAKE = "params/encoder"


class Graft(NamedTuple):
    """Which arrays of another run take which place in the state of a new one.

    Attributes:
      run: the folder of a run, whose newest checkpoint is read; one that
        `sslax convert` wrote (its network is "params/encoder"); or a file of
        `sslax export --format=safetensors`.
      take: the path of a tree there: "params/encoder", "extra/teacher/encoder".
      put: its path in the new state.
      without: names under `take` and `put`, regular expressions of whole parts of a
        path, that are neither taken nor wanted: they stay as they start.
      resize: how tables of positions of another grid are interpolated, "size" or
        "factor" as in `models.resize_positions`; None refuses them.
      spread: pairs of a name under `take` and a pattern under `put`, for what one array
        there becomes several here: `(("relative", r"blocks_\\d+/attn/relative"),)`
        gives each block of a BEiT its own copy of the shared table.
    """

    run: str
    take: str = _TAKE
    put: str = _TAKE
    without: tuple[str, ...] = ()
    resize: str | None = None
    spread: tuple[tuple[str, str], ...] = ()


def grafts_of(
    config: Mapping[str, Any], runs: Mapping[str, str] | None = None
) -> tuple[Graft, ...]:
    """The grafts that a config asks for.

    `config.start` is a tuple of mappings with the fields of `Graft`, or of strings:
    "RUN" takes params/encoder to params/encoder, "RUN:params" the same path of both,
    "RUN:extra/teacher/encoder=params/encoder" one to the other. What a graft does not
    say of `without`, `resize` and `spread` is taken from `config.fit`. So the command
    line needs the run alone: `--config.start=RUN`.

    Args:
      config: the resolved config.
      runs: folders by the names that stand for them, the earlier stages of a config.

    Returns:
      The grafts, in order.

    Raises:
      ValueError: if an entry has an unknown field, or no run.

    Example:
      >>> config = {"start": ("runs/dino:extra/teacher/encoder=params/encoder",)}
      >>> [graft] = grafts_of(config)
      >>> graft.run, graft.take, graft.put
      ('runs/dino', 'extra/teacher/encoder', 'params/encoder')
    """
    fit = {k: v for k, v in (config.get("fit") or {}).items() if v}
    entries = config.get("start") or ()
    entries = [entries] if isinstance(entries, str | Mapping) else entries
    return tuple(_graft(entry, fit, runs or {}) for entry in entries)


def _graft(entry: Any, fit: Mapping[str, Any], runs: Mapping[str, str]) -> Graft:
    if isinstance(entry, str):
        match = _SHORT.fullmatch(entry)
        parts = match.groupdict() if match else {"run": entry}
        take = parts.get("take") or _TAKE
        entry = {"run": parts["run"], "take": take, "put": parts.get("put") or take}
    for name in entry:
        if name not in Graft._fields:
            raise ValueError(
                f"config.start has no field {name!r}: "
                f"{calls.nearest(name, Graft._fields)}"
            )
    if not entry.get("run"):
        raise ValueError(f"config.start needs the folder of a run; got {dict(entry)}")
    fields = {**fit, **entry}
    fields["run"] = runs.get(fields["run"], fields["run"])
    fields["without"] = tuple(fields.get("without", ()))
    fields["spread"] = tuple(tuple(pair) for pair in fields.get("spread", ()))
    return Graft(**fields)


def graft(state: State, grafts: Sequence[Graft], *, given: Sequence[str] = ()) -> State:
    """Puts arrays of other runs into a state, on the devices where the state lies.

    All arrays under `put` are replaced, by arrays of the same names, shapes and types
    under `take`; anything else is an error. Two things come along unless a graft of
    their own says otherwise. Batch statistics: with "params/encoder" those at
    "extra/stats/encoder", with "extra/teacher/encoder" those at
    "extra/teacher_stats/encoder". And a teacher that starts as a copy of the student:
    with "params/encoder" also "extra/teacher/encoder", where it has the same arrays.

    Optimizers start anew.

    Args:
      state: at step 0.
      grafts: what to take from where; of two for one place the later counts.
      given: paths in the state that must be taken, see `core.Method`.

    Returns:
      The state, with the shardings that it had.

    Raises:
      ValueError: if a run or a path does not exist (the message has the nearest one),
        if arrays differ (it names the first), or if nothing is taken for what must be.
    """
    places = paths_of({"params": state.params, "extra": state.extra})
    sources = {run: stored(run) for run in dict.fromkeys(g.run for g in grafts)}
    chosen: dict[str, tuple[str, Fit]] = {}
    for one in [*_statistics(places, grafts, sources), *grafts]:
        fits = fitted(one, sources[one.run].shapes, places)
        chosen |= {place: (one.run, fit) for place, fit in fits.items()}
    chosen = {**_copies(places, grafts, chosen), **chosen}
    _check_given(given, places, chosen)
    new: dict[str, jax.Array] = {}
    for run, source in sources.items():
        mine = {place: fit for place, (whose, fit) in chosen.items() if whose == run}
        new |= _read(source, mine, places)
        logging.info("%d arrays come from %s", len(mine), run)

    def replaced(path, leaf):
        return new.get(jax.tree_util.keystr(path, simple=True, separator="/"), leaf)

    tree = {"params": state.params, "extra": state.extra}
    tree = jax.tree_util.tree_map_with_path(replaced, tree)
    return State(step=state.step, opt=state.opt, **tree)


def _check_given(given, places, chosen) -> None:
    for path in given:
        for place in sorted(set(under(places, path).values()) - chosen.keys()):
            whole = place.split("/")[: path.count("/") + 2]
            raise ValueError(
                f"{'/'.join(whole)} must come from another run, and none gives it; "
                f"say which with --config.start=RUN:PATH={'/'.join(whole)}"
            )


def _read(source: Stored, fits: Mapping[str, Fit], places: Mapping[str, Any]):
    """Arrays by their new places; each is a copy of its own, as steps donate them."""
    read = source.read({fit.name: fit.stored for fit in fits.values()})
    return {
        place: jax.jit(fit.change, out_shardings=places[place].sharding)(read[fit.name])
        for place, fit in fits.items()
    }


def _statistics(
    places: Mapping[str, Any], grafts: Sequence[Graft], sources: Mapping[str, Stored]
) -> list[Graft]:
    """Grafts of the batch statistics that belong to what is grafted."""
    found = []
    for one in grafts:
        take, put = statistics_of(one.take), statistics_of(one.put)
        if take is None or put is None or not under(places, put):
            continue
        if under(sources[one.run].shapes, take):
            found.append(one._replace(take=take, put=put))
        else:
            logging.warning(
                "%s has no batch statistics at %s; those at %s stay as they start",
                *(one.run, take, put),
            )
    return found


def _copies(places, grafts, chosen) -> dict[str, tuple[str, Fit]]:
    """A teacher that starts as a copy of the student gets what the student gets."""
    if any(g.put.startswith("extra/teacher") for g in grafts):
        return {}
    copies = {}
    for place, choice in chosen.items():
        for student, teacher in (
            ("params", "teacher"),
            ("extra/stats", "teacher_stats"),
        ):
            copy = place.replace(f"{student}/", f"extra/{teacher}/", 1)
            same = place.startswith(f"{student}/") and copy in places
            if same and places[copy].shape == places[place].shape:
                copies[copy] = choice
    return copies


def encoder_of(
    run: str, group: str = "encoder", **changes: Any
) -> tuple[Net, dict[str, Any], dict[str, Any]]:
    """The network of a finished run, for fine-tuning, export or a look at its maps.

    Args:
      run: the folder of a run, or one that `sslax convert` wrote.
      group: the parameter group, whose call is the field of that name in
        `config.method`; or the path of a tree that the same call has made, as
        "extra/teacher/encoder".
      **changes: arguments of the call to change: `output=("attention11",)`.

    Returns:
      (net, params, stats), the arrays on the default device.

    Raises:
      ValueError: if there is no run, or no such group.

    Example:
      >>> net, params, stats = encoder_of("workdir/demo")  # doctest: +SKIP
    """
    if (Path(run) / "model.json").exists():
        call, _ = convert.model_of(run)
        _, params, stats = convert.load(run)
        return calls.build({**call, **changes}, Net), params, stats
    path = group if "/" in group else f"params/{group}"
    method = read_config(run)["method"]
    call = method.get(path.rpartition("/")[2])
    if not isinstance(call, Mapping):
        fields = [name for name, value in method.items() if isinstance(value, Mapping)]
        raise ValueError(
            f"{method['name']} of {run!r} has no network "
            f"{path.rpartition('/')[2]!r}; its networks are {fields}"
        )
    source = stored(run)
    params = tree_at(source, path)
    if not params:
        raise ValueError(f"nothing is stored at {path!r} of {run!r}")
    where = statistics_of(path)
    stats = tree_at(source, where) if where and under(source.shapes, where) else {}
    return calls.build({**call, **changes}, Net), params, stats
