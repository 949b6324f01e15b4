"""What adapters share: reading a case, running its steps, checking its schedules."""

from __future__ import annotations

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sslax.core import State
from sslax.step import train_step


def initial(case, group):
    """{name: array} of `init/<group>/<name>`, without counters."""
    start = f"init/{group}/"
    names = [n for n in case["arrays"] if n.startswith(start)]
    return {
        n.removeprefix(start): np.asarray(case["arrays"][n])
        for n in names
        if not n.endswith("num_batches_tracked")
    }


def count(case):
    """The number of steps."""
    found = [re.match(r"step(\d+)/", name) for name in case["arrays"]]
    return 1 + max(int(match[1]) for match in found if match)


def has(case, name):
    """Whether the steps have something of that name."""
    return f"step0/{name}" in case["arrays"]


def inputs(case, name):
    """`step<k>/in/<name>`, one after the other: `[steps ...]`."""
    return _stacked(case, f"in/{name}")


def micro_batches(case, *names, accumulate=1):
    """{name: `[steps b ...]`}: inputs with micro-batches as `train_step` deals them.

    Where there are several, they are the second axis of what is stored; the step takes
    neighbours for one of them.
    """
    arrays = {name: inputs(case, name) for name in names}
    if accumulate == 1:
        return arrays
    for x in arrays.values():
        same(accumulate=(x.shape[1], accumulate))
    return {n: x.reshape(len(x), -1, *x.shape[3:]) for n, x in arrays.items()}


def views(case):
    """The views of every step, however many there are."""
    names = itertools.takewhile(
        lambda name: has(case, f"in/{name}"), (f"view{i}" for i in itertools.count())
    )
    return tuple(inputs(case, name) for name in names)


def used(case, name):
    """What each step used, `step<k>/hyper/<name>`: `[steps]`."""
    return _stacked(case, f"hyper/{name}").astype(np.float64)


def table(case, name):
    """The schedule of what the steps used, `step<k>/hyper/<name>`, and no more."""
    values = used(case, name)
    return lambda step: jnp.asarray(values)[step]


def _stacked(case, name):
    rows = [case["arrays"][f"step{k}/{name}"] for k in range(count(case))]
    return np.stack(rows)


def agree(case, name, wanted):
    """Fails if what a step used, `step<k>/hyper/<name>`, is not what it should be.

    Args:
      case: the case.
      name: of the table.
      wanted: a number, or a function of the step.
    """
    if not has(case, f"hyper/{name}"):
        return
    table = used(case, name)
    if callable(wanted):
        values = _values(wanted, len(table))
    else:
        values = np.full(len(table), float(wanted))
    if not np.allclose(values, table, rtol=0, atol=1e-6 * abs(table).max()):
        raise ValueError(
            f"{name} of the steps is {table.tolist()}, not {values.tolist()}"
        )


def _values(schedule, count):
    return np.asarray(jax.jit(jax.vmap(schedule))(np.arange(count, dtype=np.int32)))


def same(**values):
    """Fails if numbers that a case says twice differ: same(batch=(8, 8))."""
    for name, (one, other) in values.items():
        if not np.allclose(one, other, rtol=1e-6):
            raise ValueError(f"{name} is {one} and {other} in the same case")


def ahead(teacher, params, m):
    """The teacher one average later, where the official step begins with it."""
    student, m = {k: params[k] for k in teacher}, float(m)
    return _numbers(lambda t, s: m * t + (1 - m) * s, teacher, student)


def behind(state, m):
    """The teacher of a state one average earlier: the inverse of `ahead`."""
    teacher, m = state.extra["teacher"], float(m)
    student = {k: state.params[k] for k in teacher}
    return _numbers(lambda t, s: (t - (1 - m) * s) / m, teacher, student)


def _numbers(function, *trees):
    """A function of leaves in NumPy, which does not compile for every shape."""
    return jax.tree.map(function, *jax.device_get(trees))


def later(schedule, steps):
    """A schedule that begins so many steps after its start."""
    return lambda step: schedule(step + steps)


def blank(method, batch):
    """Zeros in the place of parameters and extra, in the precision of the views."""
    shapes = jax.eval_shape(method.init, jax.random.key(0), batch)
    wide = batch["views"][0].dtype

    def zeros(leaf):
        floats = jnp.issubdtype(leaf.dtype, jnp.floating)
        return np.zeros(leaf.shape, wide if floats else leaf.dtype)

    return jax.tree.map(zeros, shapes)


def first(batches):
    """The batch of the first step."""
    return jax.tree.map(lambda x: x[0], batches)


def run(method, txs, batches, params, extra, *, accumulate=1, start=0):
    """Trains from a given state on given batches.

    Args:
      method: the method.
      txs: an optimizer for each objective.
      batches: a batch as views would make it, every array with a leading axis of steps.
      params: the parameters before the first step.
      extra: the rest of the state.
      accumulate: micro-batches of a batch.
      start: the number of the first step.

    Returns:
      ({metric: an array of the steps' values}, the state after the last step).
    """
    opt = {
        name: jax.jit(txs[name].init)({k: params[k] for k in objective.wrt or params})
        for name, objective in method.objectives.items()
    }
    state = State(step=jnp.int32(start), params=params, extra=extra, opt=opt)
    key = jax.random.key(0)

    def step(state, batch):
        return train_step(
            method,
            txs,
            lambda key, batch: batch,
            state,
            batch,
            key,
            accumulate=accumulate,
        )

    state, metrics = jax.jit(lambda s, b: jax.lax.scan(step, s, b))(state, batches)
    # What follows reorders numbers, which would compile for every shape.
    return jax.device_get((metrics, state))


def buffers(state, objective="ssl", *, kept="trace"):
    """The momentum of an optimizer, or another that it keeps, like the parameters.

    Groups of parameters have a tree each, with holes where the others are; those that
    are frozen have none.
    """
    found = optax.tree_utils.tree_get_all_with_path(state.opt[objective], kept)
    return merged([tree for _, tree in found])


def merged(trees):
    """One tree of several, each with holes where the others are."""
    return jax.tree.map(
        lambda *leaves: next(
            (x for x in leaves if not isinstance(x, optax.MaskedNode)), None
        ),
        *trees,
        is_leaf=lambda x: isinstance(x, optax.MaskedNode),
    )
