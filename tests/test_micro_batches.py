"""Losses of large batches, in the memory of small ones: the same value and gradient."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sslax import methods, micro_batches, models, program, sharding, step, views
from tests import toys
from tests.methods.following import colours, linear

COUNT = 4
KEY = jax.random.key(3)


SMALL = {"hidden": 6, "dim": 3}
# Nets of one matrix, whose output batch norm in the heads makes depend on the batch.
FAMILY = {
    "simclr": lambda: methods.simclr(linear(5), **SMALL),
    "nce": lambda: methods.nce(linear(5), **SMALL),
    "moco_v3": lambda: methods.moco_v3(linear(5), **SMALL),
    "moco": lambda: methods.moco(linear(5), **SMALL, queue_size=16),
    "swav": lambda: methods.swav(colours(5), **SMALL, prototypes=4, queue_size=8),
    "dino": lambda: methods.dino(colours(5), **SMALL, bottleneck=3),
}


def batch_of(name, count=8):
    """Images of two views, and small crops where they are taken."""
    draw = np.random.default_rng(0).normal
    sizes = [(4, 4), (4, 4), (2, 2)][: 3 if name in ("swav", "dino") else 2]
    return {"views": tuple(jnp.asarray(draw(size=(count, *s, 3))) for s in sizes)}


def grouped(make):
    """With batch norm in as many groups as there are micro-batches."""
    return functools.partial(make, bn_groups=COUNT)


@pytest.mark.parametrize("name", FAMILY)
def test_value_gradient_and_state_are_those_of_the_whole_batch(name, monkeypatch):
    """Against one pass whose groups of batch norm are the micro-batches."""
    with jax.enable_x64(True):
        batch, parts = batch_of(name), FAMILY[name]().objectives["ssl"].parts
        for make in ("mlp", "swav_head"):
            monkeypatch.setattr(models, make, grouped(getattr(models, make)))
        method = FAMILY[name]()
        params, extra = jax.tree.map(wide, method.init(KEY, batch))
        state = (params, extra, batch)
        (value, aux), gradient = slope(method.objectives["ssl"].loss, state)
        loss = micro_batches.in_micro_batches(parts, COUNT)
        (micro_value, micro_aux), micro_gradient = slope(loss, state)
        assert_close(micro_value, value)
        assert_close(micro_gradient, gradient)
        assert_close(without_statistics(micro_aux), without_statistics(aux))


def wide(x):
    return x.astype("float64") if x.dtype == "float32" else x


def slope(loss, state):
    grad = jax.value_and_grad(functools.partial(loss, key=KEY, step=0), has_aux=True)
    return jax.jit(grad)(*state)


def without_statistics(aux):
    """Running ones move once with a whole batch, and with every micro-batch."""
    extra = {k: v for k, v in aux.extra.items() if "stats" not in k}
    return extra, aux.metrics


def assert_close(got, wanted):
    def close(x, y):
        np.testing.assert_allclose(x, y, rtol=1e-8, atol=1e-10)

    jax.tree.map(close, got, wanted)


def trained(devices, *, accumulate, ways=1):
    """What a step on so many devices makes of SimCLR."""
    method, txs = FAMILY["simclr"](), {"ssl": optax.sgd(0.1)}
    batch = batch_of("simclr", 16)
    mesh = sharding.make_mesh(fsdp=ways, devices=jax.devices()[:devices])
    rule = sharding.fsdp(min_size=1) if ways > 1 else sharding.replicated()
    as_is = lambda key, batch: batch  # noqa: E731
    init, shapes = step.compile_init(method, txs, as_is, mesh, rule, batch)
    train = step.compile_step(method, txs, as_is, mesh, shapes, accumulate=accumulate)
    state, metrics = train(init(batch, KEY), batch, KEY)
    return jax.device_get((state.params, state.extra, metrics))


def test_devices_do_not_change_the_result():
    """Batch norm has the statistics of a micro-batch, over all devices."""
    one = trained(1, accumulate=2)

    def near(x, y):
        limit = 1e-5 * (np.abs(y).max(initial=0.0) + 0.1)
        np.testing.assert_allclose(x, y, rtol=0, atol=limit)

    jax.tree.map(near, trained(8, accumulate=2), one)
    jax.tree.map(near, trained(8, accumulate=2, ways=4), one)


def test_activations_are_those_of_a_micro_batch():
    """Of the hidden layer, for 2 views of 512 images: 8 MiB an array in one piece."""
    method = methods.simclr(linear(4), hidden=2048, dim=4)
    batch = batch_of("simclr", 512)
    state = (*method.init(KEY, batch), batch)
    objective = method.objectives["ssl"]
    parts = micro_batches.in_micro_batches(objective.parts, 16)
    whole, micro = (memory(loss, state) for loss in (objective.loss, parts))
    assert whole > 16 * 2**20
    assert micro < whole / 3


def memory(loss, state):
    grad = jax.grad(functools.partial(loss, key=KEY, step=0), has_aux=True)
    return jax.jit(grad).lower(*state).compile().memory_analysis().temp_size_in_bytes


def test_views_are_those_of_the_whole_batch_and_made_in_micro_batches():
    """The step is that whose views are made at once, in the memory of fewer."""
    crops = views.two_views(first=views.view(size=16, crop="byol", resize="bilinear"))
    method, tx = FAMILY["simclr"](), {"ssl": optax.sgd(0.1)}
    draw = np.random.default_rng(0).integers
    batch = {"image": draw(0, 256, (64, 24, 24, 3)).astype(np.uint8)}
    seen = {"views": (jnp.ones((2, 16, 16, 3)),) * 2}
    state = step.init_state(method, tx, lambda *_: seen, batch, KEY)
    taken, made = [], []
    # As a program has them; and made whole.
    for make in (program.traced_once(crops), lambda *given: crops(*given)):
        train = functools.partial(step.train_step, method, tx, make, accumulate=4)
        train = jax.jit(train).lower(state, batch, KEY).compile()
        made.append(train(state, batch, KEY))
        taken.append(train.memory_analysis().temp_size_in_bytes)
    jax.tree.map(assert_near, *made)
    views_of_others = 48 * 2 * 16 * 16 * 3 * 4  # bytes
    assert taken[0] < taken[1] - views_of_others


def assert_near(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_every_method_takes_micro_batches():
    for make in toys.TOYS.values():
        for objective in make().method.objectives.values():
            assert objective.separable or objective.parts


def test_running_statistics_move_with_every_micro_batch():
    """Each of two views passes alone, in two micro-batches; the gradient adds none."""
    method = methods.barlow_twins(colours(5), hidden=4, dim=4)
    batch = batch_of("barlow_twins")
    params, extra = method.init(KEY, batch)
    loss = micro_batches.in_micro_batches(method.objectives["ssl"].parts, 2)
    (_, aux), _ = slope(loss, (params, extra, batch))
    assert int(aux.extra["stats"]["encoder"]["calls"]) == 4


def test_micro_batches_must_divide():
    with pytest.raises(
        ValueError, match="accumulate=3 does not divide the batch of 16"
    ):
        trained(1, accumulate=3)
    message = "micro-batches of 4, which 8 devices do not divide"
    with pytest.raises(ValueError, match=message):
        trained(8, accumulate=4)
