"""Where a number first stops being finite: a function, one operation at a time.

Compiled as a whole a step says only that its loss is nan. Here its operations are done
one by one. A value that is not finite carries where it comes from, so that what a
`where` leaves out is not blamed, and the end of the chain is named: layer, primitive
and line.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from sslax.train.origin import Origin, described, dtype_of, line_of, place_of

__all__ = ["origins"]


class _Known(NamedTuple):
    """A value, and its origin where it is not finite."""

    value: Any
    origin: Origin | None = None


class _Walk(NamedTuple):
    """Where the walk is: scopes from the outermost, and the numbers of origins."""

    scopes: tuple[str, ...]
    numbers: Iterator[int]


def origins(function: Callable[..., Any], *given: Any) -> dict[str, Origin]:
    """Calls a function one operation at a time.

    Args:
      function: what JAX can trace.
      *given: its arguments, trees of arrays on one device.

    Returns:
      For every array that it returns and that is not finite, by its path in the result,
      where that began.

    Example:
      >>> def loss(x):
      ...     with jax.named_scope("layer"):
      ...         return {"loss": jnp.sum(jnp.log(x))}
      >>> origin = origins(loss, jnp.array([1.0, -1.0]))["loss"]
      >>> origin.kind, origin.by, origin.place
      ('nan', 'log', 'layer')
    """
    # A compiled step has options, with which no other program may call it.
    compiled = (
        function if isinstance(function, jax.stages.Wrapped) else jax.jit(function)
    )
    traced = compiled.trace(*given)
    closed, shapes = traced.jaxpr, traced.out_info
    walk = _Walk((), itertools.count())
    leaves = jax.tree_util.tree_leaves_with_path(given)
    arguments = [_given(x, _path(path[1:]), walk) for path, x in leaves]
    made = _call(closed, arguments, walk)
    paths = [_path(path) for path, _ in jax.tree_util.tree_leaves_with_path(shapes)]
    named = zip(paths, made, strict=True)
    return {path: known.origin for path, known in named if known.origin}


def _path(path: Any) -> str:
    return jax.tree_util.keystr(tuple(path), simple=True, separator="/")


def _given(value: Any, path: str, walk: _Walk) -> _Known:
    kind = _kind(value)
    if not kind:
        return _Known(value)
    said = ("what was given", path, False, "", described(value), (), None)
    return _Known(value, Origin(kind, *said, next(walk.numbers)))


def _call(closed: Any, arguments: Sequence[_Known], walk: _Walk) -> list[_Known]:
    """A function of the program; the values that it is made of are constants."""
    jaxpr = getattr(closed, "jaxpr", closed)
    constants = [_constant(x, None, walk) for x in getattr(closed, "consts", ())]
    known = dict(zip(jaxpr.constvars, constants, strict=True))
    known |= zip(jaxpr.invars, arguments, strict=True)
    last = {x: i for i, eqn in enumerate(jaxpr.eqns) for x in _variables(eqn.invars)}
    kept = set(_variables(jaxpr.outvars))

    def read(atom: Any, eqn: Any = None) -> _Known:
        if isinstance(atom, core.Literal):
            return _constant(atom.val, eqn, walk)
        return known[atom]

    for i, eqn in enumerate(jaxpr.eqns):
        given = [read(atom, eqn) for atom in eqn.invars]
        known |= zip(eqn.outvars, _operation(eqn, given, walk), strict=True)
        for x in {*_variables(eqn.invars), *eqn.outvars} - kept:
            if last.get(x, i) == i:  # else all that was ever made would be held
                known.pop(x, None)
    return [read(atom) for atom in jaxpr.outvars]


def _variables(atoms: Sequence[Any]) -> list[Any]:
    return [atom for atom in atoms if not isinstance(atom, core.Literal)]


def _constant(value: Any, eqn: Any, walk: _Walk) -> _Known:
    kind = _kind(value)
    if not kind:
        return _Known(value)
    said = ("a constant", *_where(eqn, walk), described(value), (), None)
    return _Known(value, Origin(kind, *said, next(walk.numbers)))


def _operation(eqn: Any, given: Sequence[_Known], walk: _Walk) -> list[_Known]:
    """What an operation gives; one that is made of others is looked into if need be."""
    opened = _OPENED.get(eqn.primitive.name)
    if eqn.params.get("length") == 0:
        opened = None
    inner = _Walk((*walk.scopes, f"{eqn.source_info.name_stack}/"), walk.numbers)
    if opened and any(eqn.params.get("donated_invars", ())):
        return opened(eqn.params, given, inner)  # done as a whole it would be consumed
    options = eqn.primitive.get_bind_params(eqn.params)
    with eqn.ctx.manager:
        made = eqn.primitive.bind(*(x.value for x in given), **options)
    values = made if eqn.primitive.multiple_results else [made]
    kinds = [_kind(value) for value in values]
    if opened and any(kinds):
        return opened(eqn.params, given, inner)
    return [
        _Known(value, _begun(kind, value, eqn, given, walk) if kind else None)
        for kind, value in zip(kinds, values, strict=True)
    ]


def _begun(kind: str, value: Any, eqn: Any, given: Sequence[_Known], walk) -> Origin:
    """Where it began: in an operand that is so already, or here."""
    before = [x.origin for x in given if x.origin]
    before.sort(key=lambda origin: origin.order)
    alike = [origin for origin in before if origin.kind == kind]
    if alike or (before and kind == "inf"):
        return (alike or before)[0]
    where, took = _where(eqn, walk), tuple(described(x.value) for x in given)
    cause = before[0] if before else None
    said = (eqn.primitive.name, *where, described(value), took, cause)
    return Origin(kind, *said, next(walk.numbers))


def _inside(params: Any, given: Sequence[_Known], walk: _Walk) -> list[_Known]:
    return _call(params.get("jaxpr", params.get("call_jaxpr")), given, walk)


def _branch(params: Any, given: Sequence[_Known], walk: _Walk) -> list[_Known]:
    chosen = int(np.clip(given[0].value, 0, len(params["branches"]) - 1))
    return _call(params["branches"][chosen], given[1:], walk)


def _while(params: Any, given: Sequence[_Known], walk: _Walk) -> list[_Known]:
    tests, bodies = params["cond_nconsts"], params["body_nconsts"]
    fixed, body = given[:tests], list(given[tests : tests + bodies])
    carry = list(given[tests + bodies :])
    goes_on = core.jaxpr_as_fun(params["cond_jaxpr"])
    turn = 0
    while bool(goes_on(*(x.value for x in (*fixed, *carry)))[0]):
        carry = _call(params["body_jaxpr"], body + carry, _turned(walk, turn))
        turn += 1
    return carry


def _scan(params: Any, given: Sequence[_Known], walk: _Walk) -> list[_Known]:
    fixed, held = params["num_consts"], params["num_carry"]
    length, rows = params["length"], {}
    constants, carry = list(given[:fixed]), list(given[fixed : fixed + held])
    for turn in range(length):
        place = length - 1 - turn if params["reverse"] else turn
        row = [_row(x, place) for x in given[fixed + held :]]
        made = _call(params["jaxpr"], constants + carry + row, _turned(walk, turn))
        carry, rows[place] = made[:held], made[held:]
    columns = zip(*(rows[place] for place in range(length)), strict=True)
    return carry + [_stacked(column) for column in columns]


def _turned(walk: _Walk, turn: int) -> _Walk:
    return walk._replace(scopes=(*walk.scopes, f"turn {turn + 1}/"))


def _row(known: _Known, turn: int) -> _Known:
    value = known.value[turn]
    return _Known(value, known.origin if _kind(value) else None)


def _stacked(column: Sequence[_Known]) -> _Known:
    found = [known.origin for known in column if known.origin]
    first = min(found, key=lambda origin: origin.order, default=None)
    return _Known(jnp.stack([known.value for known in column]), first)


_OPENED = {
    **dict.fromkeys(("jit", "call", "closed_call", "remat2"), _inside),
    **dict.fromkeys(("custom_jvp_call", "custom_vjp_call"), _inside),
    "cond": _branch,
    "while": _while,
    "scan": _scan,
}


def _kind(value: Any) -> str:
    """Whether an array has a nan, or else an inf."""
    if not jnp.issubdtype(dtype_of(value), jnp.inexact):
        return ""
    x = np.asarray(value)
    if np.isfinite(x).all():
        return ""
    return "nan" if np.isnan(x).any() else "inf"


def _where(eqn: Any, walk: _Walk) -> tuple[str, bool, str]:
    """The place, whether it is in a backward pass, and the line of an operation."""
    own, traceback = "", None
    if eqn is not None:
        own, traceback = str(eqn.source_info.name_stack), eqn.source_info.traceback
    return (*place_of("".join(walk.scopes) + own), line_of(traceback))
