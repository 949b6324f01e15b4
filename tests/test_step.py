"""The one step: groups, periods, micro-batches, several steps a call, sharding."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from sslax import optim, sharding, step
from sslax.core import Aux, Method, Objective

TX = optax.sgd(0.1)
KEY = jax.random.key(1)


def two_players(*, every=1, separable=True):
    """Two linear maps with a loss each; the second loss reads the first map."""

    def init(key, batch):
        params = {"a": jnp.ones(3), "b": 2 * jnp.ones(3)}
        return params, {"seen": jnp.zeros([]), "sum_a": jnp.zeros([])}

    def loss_a(params, extra, batch, *, key, step):
        error = batch["x"] @ params["a"] - batch["noise"]
        new = {**extra, "seen": extra["seen"] + batch["x"].sum()}
        return (error**2).mean(), Aux(new, {"a": params["a"].sum()})

    def loss_b(params, extra, batch, *, key, step):
        error = batch["x"] @ (params["a"] * params["b"])
        return (error**2).mean(), Aux(extra)

    def after_update(params, extra, *, step):
        return params, {**extra, "sum_a": params["a"].sum()}

    return Method(
        init=init,
        objectives={
            "a": Objective(loss=loss_a, wrt=("a",), separable=separable),
            "b": Objective(loss=loss_b, wrt=("b",), every=every, separable=separable),
        },
        outputs={"features": lambda params, extra, batch, *, key: batch["x"]},
        after_update=after_update,
    )


def noisy(key, batch):
    return {**batch, "noise": jax.random.normal(key, batch["x"].shape[:1])}


def still(key, batch):
    return {**batch, "noise": batch["x"][:, 0]}


def batch_of(seed=0, size=16):
    return {"x": np.random.default_rng(seed).normal(size=(size, 3)).astype("float32")}


def run(method, steps, *, views=noisy, devices=1, **options):
    mesh = sharding.make_mesh(devices=jax.devices()[:devices])
    txs = dict.fromkeys(method.objectives, TX)
    init, shapes = step.compile_init(
        method, txs, views, mesh, sharding.replicated(), batch_of()
    )
    train = step.compile_step(method, txs, views, mesh, shapes, **options)
    key, logs = jax.random.key(1), []
    state = init(batch_of(), jax.random.key(0))
    count = options.get("steps_per_call", 1)
    for first in range(0, steps, count):
        batches = [batch_of(first + i) for i in range(count)]
        batch = (
            batches[0] if count == 1 else jax.tree.map(lambda *x: np.stack(x), *batches)
        )
        state, metrics = train(state, batch, key)
        logs.append(metrics)
    assert train._cache_size() == 1
    return state, logs


def test_objectives_train_their_groups_in_order():
    state, logs = run(two_players(), 1, views=still)
    x = batch_of(0)["x"]
    a = np.ones(3) - 0.1 * 2 * x.T @ (x @ np.ones(3) - x[:, 0]) / 16
    np.testing.assert_allclose(state.params["a"], a, rtol=1e-5)
    # The second objective sees the first group as updated.
    b = 2 - 0.1 * 2 * (x * a).T @ (x @ (a * 2)) / 16
    np.testing.assert_allclose(state.params["b"], b, rtol=1e-5)
    np.testing.assert_allclose(state.extra["sum_a"], a.sum(), rtol=1e-5)
    assert int(state.step) == 1
    assert set(logs[0]) == {"a/loss", "a/grad_norm", "a/a", "b/loss", "b/grad_norm"}


def test_every_skips_updates():
    state, logs = run(two_players(every=3), 3)
    once, _ = run(two_players(every=3), 1)
    np.testing.assert_array_equal(state.params["b"], once.params["b"])
    assert not np.allclose(state.params["a"], once.params["a"])
    assert [bool(m["b/loss"]) for m in logs] == [True, False, False]


def test_schedules_of_a_resting_objective_follow_the_steps_of_the_run():
    """Rates of the updates at steps 0, 2 and 4 of a line from 1 to 0 in 10 steps."""
    method, line = two_players(every=2), optax.linear_schedule(1.0, 0.0, 10)
    record = optax.stateless(lambda g, p: jax.tree.map(jnp.ones_like, g))
    txs = {"a": TX, "b": optax.chain(record, optax.scale_by_schedule(line))}
    state = step.init_state(method, txs, still, batch_of(), jax.random.key(0))
    moves = []
    train = jax.jit(lambda s, b: step.train_step(method, txs, still, s, b, KEY)[0])
    for i in range(5):
        before = state.params["b"][0]
        state = train(state, batch_of(i))
        moves.append(float(state.params["b"][0] - before))
    np.testing.assert_allclose(moves, [1.0, 0.0, 0.8, 0.0, 0.6], atol=1e-6)


def test_views_draw_anew_at_every_step_and_the_same_when_repeated():
    first, _ = run(two_players(), 2)
    again, _ = run(two_players(), 2)
    other, _ = run(two_players(), 2, views=still)
    np.testing.assert_array_equal(first.params["a"], again.params["a"])
    assert not np.allclose(first.params["a"], other.params["a"])


def test_the_first_state_shares_no_key_with_a_step():
    """A run may give one key to both: splitting it must not give the key of a step."""
    seen = []

    def init(key, batch):
        seen.append(key)
        return method.init(key, batch)

    def views(key, batch):
        seen.append(key)
        return still(key, batch)

    method = two_players()
    listening = dataclasses.replace(method, init=init)
    step.init_state(listening, {"a": TX, "b": TX}, views, batch_of(), KEY)
    of_steps = [jax.random.fold_in(KEY, i) for i in range(4)]
    for key in seen:
        for other in of_steps:
            same = jax.random.key_data(key) == jax.random.key_data(other)
            assert not same.all()


def test_several_steps_in_a_call_are_the_same_steps():
    single, logs = run(two_players(every=2), 4)
    stacked, calls = run(two_players(every=2), 4, steps_per_call=2)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), single, stacked
    )
    losses = np.concatenate([np.asarray(m["a/loss"]) for m in calls])
    np.testing.assert_allclose(losses, [m["a/loss"] for m in logs], rtol=1e-6)


def test_accumulation_gives_the_gradient_of_the_whole_batch():
    whole, logs = run(two_players(), 2)
    parts, micro = run(two_players(), 2, accumulate=4)
    # The sum of 48 inputs cancels: absolute rounding there, a few units elsewhere.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-6),
        whole,
        parts,
    )
    np.testing.assert_allclose(logs[1]["a/loss"], micro[1]["a/loss"], rtol=1e-5)


def test_a_clip_of_the_running_mean_comes_before_every_micro_batch():
    """SimMIM's: the first gradient alone, then what it and the second add up to."""
    tx = optim.clipped(optax.sgd(1.0), norm=0.5, per="all", running=True)
    method, batch = two_players(), batch_of(size=8)
    txs = {"a": tx, "b": TX}
    state = step.init_state(method, txs, still, batch, KEY)
    after, _ = jax.jit(
        lambda state: step.train_step(
            method, txs, still, state, batch, KEY, accumulate=2
        )
    )(state)

    def clip(g):
        return g * min(1.0, 0.5 / (np.linalg.norm(g) + 1e-6))

    total = np.zeros(3)
    for x in np.split(np.asarray(batch["x"]), 2):
        error = x @ np.ones(3) - x[:, 0]
        total = clip(total + 2 * (error @ x) / len(x) / 2)
    np.testing.assert_allclose(after.params["a"], 1 - total, rtol=1e-5)


def test_accumulation_is_refused_where_examples_see_each_other():
    message = "accumulate=2, but objective 'a' couples .* core.compared"
    with pytest.raises(ValueError, match=message):
        run(two_players(separable=False), 1, accumulate=2)
    with pytest.raises(
        ValueError, match="accumulate=3 does not divide the batch of 16"
    ):
        run(two_players(), 1, accumulate=3)


def test_unknown_group_is_named():
    method = two_players()
    bad = Objective(loss=method.objectives["a"].loss, wrt=("c",))
    method = Method(init=method.init, objectives={"a": bad}, outputs=method.outputs)
    with pytest.raises(
        ValueError, match=r"wrt names \['c'\]; the groups are \['a', 'b'\]"
    ):
        run(method, 1)


def test_devices_do_not_change_the_result():
    one, _ = run(two_players(), 2)
    eight, _ = run(two_players(), 2, devices=8)

    def close(a, b):
        # A parameter near 0 is the difference of numbers of size 1: their rounding.
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6)

    jax.tree.map(close, one, eight)


def test_the_state_is_donated():
    method = two_players()
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    txs = dict.fromkeys(method.objectives, TX)
    init, shapes = step.compile_init(
        method, txs, noisy, mesh, sharding.replicated(), batch_of()
    )
    train = step.compile_step(method, txs, noisy, mesh, shapes)
    state = init(batch_of(), jax.random.key(0))
    train(state, batch_of(), jax.random.key(1))
    assert state.params["a"].is_deleted()


def test_mesh_axes_must_fit_the_devices():
    mesh = sharding.make_mesh(fsdp=4)
    assert dict(mesh.shape) == {"data": 2, "fsdp": 4}
    assert dict(sharding.make_mesh(data=1, fsdp=-1).shape) == {"data": 1, "fsdp": 8}
    with pytest.raises(
        ValueError, match=r"data=-1 x fsdp=3 does not fit 8 devices.*\[1, 2, 4, 8\]"
    ):
        sharding.make_mesh(fsdp=3)


def test_fsdp_splits_the_largest_axis_that_divides():
    mesh = sharding.make_mesh(data=2, fsdp=4)
    tree = {
        "big": jnp.zeros((6, 1024, 64)),
        "odd": jnp.zeros((1023, 333)),
        "small": jnp.zeros((8, 8)),
        "step": jnp.zeros([]),
    }
    specs = jax.tree.map(lambda s: s.spec, sharding.layout(sharding.fsdp(), mesh, tree))
    assert specs == {"big": P(None, "fsdp"), "odd": P(), "small": P(), "step": P()}


def test_banks_and_queues_split_their_rows_over_all_devices():
    mesh = sharding.make_mesh(data=2, fsdp=4)
    state = {
        "extra": {
            "bank": jnp.zeros((2**14, 8)),
            "queue_l": jnp.zeros((2**13, 16)),
            "odd": {"bank": jnp.zeros((2**14 + 4, 8))},
        },
        "params": {"queue": jnp.zeros((2**13, 16))},
    }
    rows, kept = P(("data", "fsdp")), P("fsdp")
    specs = jax.tree.map(
        lambda s: s.spec, sharding.layout(sharding.fsdp(), mesh, state)
    )
    assert specs["extra"] == {"bank": rows, "queue_l": rows, "odd": {"bank": kept}}
    assert specs["params"]["queue"] == kept
    specs = jax.tree.map(
        lambda s: s.spec, sharding.layout(sharding.replicated(), mesh, state)
    )
    assert specs["extra"] == {"bank": rows, "queue_l": P(), "odd": {"bank": P()}}
    rule = sharding.replicated(rows=())
    specs = jax.tree.map(lambda s: s.spec, sharding.layout(rule, mesh, state))
    assert specs["extra"]["bank"] == P()
    assert specs["params"]["queue"] == P()


def test_rules_by_name_take_the_first_that_matches():
    mesh = sharding.make_mesh(data=8)
    rule = sharding.by_rule(
        rules=(("extra/queue", ("data",)), ("queue", (None, "data")))
    )
    tree = {"extra": {"queue": jnp.zeros((8, 8))}, "opt": [jnp.zeros(3)]}
    specs = jax.tree.map(lambda s: s.spec, sharding.layout(rule, mesh, tree))
    assert specs == {"extra": {"queue": P("data")}, "opt": [P()]}
