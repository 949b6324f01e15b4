"""The one train step: views, then each objective in order, then `after_update`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from sslax import platforms
from sslax.core import Method, Objective, State, in_parts
from sslax.micro_batches import averaged_gradients, in_micro_batches, of_drawn
from sslax.sharding import Rule, batch_sharding, gathered, layout

__all__ = ["compile_init", "compile_step", "init_state", "train_step"]

Views = Callable[[Array, Mapping[str, Any]], Mapping[str, Any]]
Optimizers = Mapping[str, optax.GradientTransformation]


def init_state(
    method: Method, txs: Optimizers, views: Views, batch: Mapping[str, Any], key: Array
) -> State:
    """The state before the first step; under `jit`, as a teacher may alias parameters.

    Args:
      method: the method.
      txs: an optimizer for each objective, by name.
      views: `(key, batch) -> batch`, run on the device.
      batch: a batch as the data gives it.
      key: the key of the run.

    Returns:
      The state at step 0.
    """
    # A number that no step has, so that the same key may be that of the steps.
    view_key, init_key = jax.random.split(jax.random.fold_in(key, 2**32 - 1))
    params, extra = method.init(init_key, views(view_key, batch))
    opt = {k: txs[k].init(_group(params, o.wrt)) for k, o in method.objectives.items()}
    return State(step=jnp.zeros([], jnp.int32), params=params, extra=extra, opt=opt)


def train_step(
    method: Method,
    txs: Optimizers,
    views: Views,
    state: State,
    batch: Mapping[str, Any],
    key: Array,
    *,
    accumulate: int = 1,
) -> tuple[State, dict[str, Array]]:
    """One step: a pure function of the state, the batch and the key of the run.

    All randomness is `fold_in(key, step)`, so a restored state goes on bit for bit.

    Args:
      method: the method.
      txs: an optimizer for each objective, by name.
      views: `(key, batch) -> batch`.
      state: the state before.
      batch: leaves with a leading batch axis.
      key: the key of the run, the same at every step.
      accumulate: micro-batches in which a batch passes the nets. The update is that of
        the whole batch: gradients are averaged where examples do not see each other,
        else the loss is of all embeddings, see `micro_batches.in_micro_batches`. Batch
        norm has the statistics of a micro-batch. Views are the same in any number of
        micro-batches; those that come in parts, see `core.Drawn`, are made one
        micro-batch at a time. The `update` of an optimizer may have a function
        `between` of the mean so far, called before a micro-batch is added to it: see
        `optim.clipped`.

    Returns:
      The state after, and scalars named `objective/metric`.

    Raises:
      ValueError: if a gradient is to be accumulated for a loss in one piece that is not
        a mean over single examples.
    """
    _check_accumulate(method, accumulate)
    key = jax.random.fold_in(key, state.step)
    views, objectives = in_parts(views), method.objectives
    make = jax.named_scope("views")(views.make)  # scopes say where a nan came from
    with jax.named_scope("views"):
        drawn = views.draw(jax.random.fold_in(key, 0), batch)
    if accumulate == 1:
        batch = make(drawn, batch)
    else:
        batch = (drawn, batch)
        objectives = {k: of_drawn(o, make) for k, o in objectives.items()}
    params, extra, opt, metrics = state.params, state.extra, dict(state.opt), {}
    for i, (name, objective) in enumerate(objectives.items(), start=1):
        update = functools.partial(
            _update,
            objective,
            txs[name],
            accumulate,
            batch,
            jax.random.fold_in(key, i),
        )
        with jax.named_scope(name):
            params, extra, opt[name], logs = _every(
                objective.every, state.step, update, params, extra, opt[name]
            )
        metrics |= {f"{name}/{k}": v for k, v in logs.items()}
    with jax.named_scope("after_update"):
        params, extra = method.after_update(params, extra, step=state.step)
    return State(step=state.step + 1, params=params, extra=extra, opt=opt), metrics


def compile_init(
    method: Method,
    txs: Optimizers,
    views: Views,
    mesh: Mesh,
    rule: Rule,
    batch: Mapping[str, Any],
) -> tuple[Callable[..., State], State]:
    """Prepares an initialisation straight into the state's sharding.

    Args:
      method: the method.
      txs: an optimizer for each objective, by name.
      views: `(key, batch) -> batch`.
      mesh: the mesh.
      rule: the layout's rule, see `sslax.sharding`.
      batch: a global batch, or its shapes.

    Returns:
      A compiled `(batch, key) -> state`, and the shapes of the state, with shardings.
    """
    init = _for_mesh(mesh, functools.partial(init_state, method, txs, views))
    shapes = jax.eval_shape(init, batch, jax.random.key(0))
    state_layout = layout(rule, mesh, shapes)
    key = NamedSharding(mesh, PartitionSpec())
    compiled = jax.jit(
        init, in_shardings=(batch_sharding(mesh), key), out_shardings=state_layout
    )
    return compiled, jax.tree.map(_placed, shapes, state_layout)


def _placed(shape, sharding):
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)


def compile_step(
    method: Method,
    txs: Optimizers,
    views: Views,
    mesh: Mesh,
    shapes: State,
    *,
    steps_per_call: int = 1,
    accumulate: int = 1,
) -> Callable[..., tuple[State, dict[str, Array]]]:
    """The train step, sharded and compiled; it donates its state.

    Args:
      method: the method.
      txs: an optimizer for each objective, by name.
      views: `(key, batch) -> batch`.
      mesh: the mesh.
      shapes: shapes of the state, with shardings, from `compile_init`.
      steps_per_call: with n > 1, n steps in one dispatch: batches and metrics have a
        leading axis of n. Worth it where a step is shorter than its dispatch.
      accumulate: micro-batches in which a batch passes the nets, see `train_step`.

    Returns:
      `(state, batch, key) -> (state, metrics)`. It may have options of the compiler,
      with which no other `jit` can call it; `train_step` is for that.

    Raises:
      ValueError: if a gradient is to be accumulated for a loss in one piece that is not
        a mean over single examples.
    """
    _check_accumulate(method, accumulate)
    one = functools.partial(
        train_step, gathered(method, shapes), txs, views, accumulate=accumulate
    )
    state_layout = jax.tree.map(lambda leaf: leaf.sharding, shapes)

    def many(state, batches, key):
        return jax.lax.scan(lambda s, b: one(s, b, key), state, batches)

    batch = batch_sharding(mesh, stacked=steps_per_call > 1)
    whole = NamedSharding(mesh, PartitionSpec())
    return jax.jit(
        _for_mesh(mesh, one if steps_per_call == 1 else many),
        donate_argnums=0,
        in_shardings=(state_layout, batch, whole),
        out_shardings=(state_layout, whole),
        compiler_options=platforms.compiler_options(_platform(mesh), shapes.params),
    )


def _check_accumulate(method: Method, accumulate: int) -> None:
    if accumulate == 1:
        return
    for name, objective in method.objectives.items():
        if not objective.separable and objective.parts is None:
            raise ValueError(
                f"accumulate={accumulate}, but objective {name!r} couples the examples "
                "of a batch (negatives or a queue) in one piece. Build it with "
                "core.compared(embed, compare), so that embeddings can be made in "
                "micro-batches, or use accumulate=1, with more devices or a smaller "
                "batch."
            )


def _for_mesh(mesh: Mesh, function: Callable[..., Any]) -> Callable[..., Any]:
    def placed(*args):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(*args)

    return platforms.traced_for(_platform(mesh), placed)


def _platform(mesh: Mesh) -> str:
    return mesh.devices.flat[0].platform


def _group(params, wrt):
    if wrt is None:
        return params
    unknown = sorted(set(wrt) - set(params))
    if unknown:
        raise ValueError(f"wrt names {unknown}; the groups are {sorted(params)}")
    return {k: v for k, v in params.items() if k in wrt}


def _update(
    objective: Objective, tx, accumulate, batch, key, step, params, extra, opt_state
):
    live, whole = _group(params, objective.wrt), objective.loss
    averages = accumulate > 1 and objective.separable
    if accumulate > 1 and not averages:
        whole = in_micro_batches(objective.parts, accumulate)

    def loss(live, extra, batch, key):
        return whole({**params, **live}, extra, batch, key=key, step=step)

    grad = jax.value_and_grad(loss, has_aux=True)
    if averages:
        between = getattr(tx.update, "between", lambda mean: mean)
        grad = averaged_gradients(grad, accumulate, between=between)
    (value, (extra, metrics)), grads = grad(live, extra, batch, key)
    with jax.named_scope("update"):
        updates, opt_state = tx.update(grads, opt_state, live)
        params = {**params, **optax.apply_updates(live, updates)}
    logs = {"loss": value, "grad_norm": optax.tree.norm(grads), **metrics}
    return params, extra, opt_state, logs


def _every(period, step, update, params, extra, opt_state):
    if period == 1:
        return update(step, params, extra, opt_state)
    state = (params, extra, _clocked(opt_state, step))
    logs = jax.eval_shape(update, step, *state)[-1]

    def skip(step, *state):
        del step
        return *state, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), logs)

    return jax.lax.cond(step % period == 0, update, skip, step, *state)


def _clocked(opt_state, step):
    """Schedules of an optimizer that rests follow the steps of the run."""

    def is_clock(node):
        return getattr(node, "_fields", None) == ("count",)

    def clock(node):
        return node._replace(count=step) if is_clock(node) else node

    return jax.tree.map(clock, opt_state, is_leaf=is_clock)
