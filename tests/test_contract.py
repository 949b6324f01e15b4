"""What every method promises, over all methods at toy size.

It traces once; 1 device equals 2 and 8; `extra` keeps its structure; a restored run
goes on as if never stopped; every group moves, no other does; outputs are
deterministic.
"""

import functools

import jax
import numpy as np
import optax
import pytest

from sslax import methods, sharding, step
from sslax.train import checkpoints
from tests import toys

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("contract")

STEPS = 3
KEY = jax.random.key(7)


@functools.cache
def compiled(name, devices):
    """The compiled init and step of a method on so many devices, and a trace count.

    With "fsdp" for devices the state is split over 4 devices, in 2 replicas.
    """
    toy = toys.TOYS[name]()
    traces = []

    def views(key, batch):
        traces.append(None)
        return toy.views(key, batch)

    txs = {k: optax.sgd(0.1, momentum=0.9) for k in toy.method.objectives}
    if devices == "fsdp":
        mesh, rule = sharding.make_mesh(fsdp=4), sharding.fsdp(min_size=1)
    else:
        mesh = sharding.make_mesh(devices=jax.devices()[:devices])
        rule = sharding.replicated()
    init, shapes = step.compile_init(toy.method, txs, views, mesh, rule, toys.batch())
    train = step.compile_step(toy.method, txs, views, mesh, shapes)
    layout = jax.tree.map(lambda leaf: leaf.sharding, shapes)
    return toy.method, init, train, layout, traces


@functools.cache
def start(name):
    _, init, *_ = compiled(name, 1)
    return jax.device_get(init(toys.batch(), KEY))


def advance(name, state, steps, devices=1):
    """Runs steps on so many devices, from a state on the host."""
    _, _, train, layout, traces = compiled(name, devices)
    state, logs = jax.device_put(state, layout), []
    before = len(traces)
    for i in steps:
        state, metrics = train(state, toys.batch(i), KEY)
        logs.append({k: float(v) for k, v in metrics.items()})
    return jax.device_get(state), logs, len(traces) - before


@functools.cache
def reference(name):
    return advance(name, start(name), range(STEPS))


def close(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def near(a, b, scale):
    """Equal up to a part of the largest number of each array, where sums round."""

    def compare(x, y):
        limit = scale * (np.abs(np.asarray(y, np.float64)).max(initial=0.0) + 0.1)
        np.testing.assert_allclose(x, y, rtol=0, atol=limit)

    jax.tree.map(compare, a, b)


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_all_tests_here_go_to_one_worker(request):
    """Else each would compile it all; pytest-xdist does not fit every pytest."""
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@contract")


def test_every_method_has_a_toy():
    assert sorted(toys.TOYS) == methods.__all__


@pytest.mark.parametrize("name", toys.TOYS)
def test_traces_once_and_stays_finite(name):
    state, logs, traces = reference(name)
    assert traces == 1
    assert int(state.step) == STEPS
    assert all(np.isfinite(v) for row in logs for v in row.values())
    for leaf in jax.tree.leaves(state):
        assert np.isfinite(leaf).all()


def specs(tree):
    return jax.tree.map(lambda sharding: sharding.spec, tree)


def test_a_split_state_does_not_change_the_result():
    """A queue and a teacher: what the optimizer and EMA keep lies as its parameters."""
    one, logs, _ = reference("moco")
    many, logs_many, _ = advance("moco", start("moco"), range(STEPS), "fsdp")
    close(logs, logs_many, rtol=1e-4, atol=1e-5)
    near(one, many, 1e-4)
    layout = compiled("moco", "fsdp")[3]
    momentum = optax.tree.get(layout.opt["ssl"], "trace")
    assert specs(layout.params) == specs(momentum) == specs(layout.extra["teacher"])
    split = [leaf.spec for leaf in jax.tree.leaves(layout.params)]
    assert any("fsdp" in spec for spec in split)
    assert layout.extra["queue"].spec == jax.P(("data", "fsdp"))


@pytest.mark.parametrize("name", toys.TOYS)
@pytest.mark.parametrize("devices", [2, 8])
def test_devices_do_not_change_the_result(name, devices):
    """Loss, gradient, batch statistics, teacher, queue: all of the state."""
    one, logs, _ = advance(name, start(name), range(1))
    many, logs_many, _ = advance(name, start(name), range(1), devices)
    # Sums over the batch are taken in another order.
    close(logs, logs_many, rtol=1e-5, atol=1e-6)
    near(one, many, 1e-4)
    # Every further step of these tiny nets makes the rounding about ten times as large.
    one, logs, _ = reference(name)
    many, logs_many, _ = advance(name, many, range(1, STEPS), devices)
    close(logs[1:], logs_many, rtol=5e-4, atol=1e-5)
    near(one, many, 1e-2)


@pytest.mark.parametrize("name", toys.TOYS)
def test_extra_keeps_structure_and_types(name):
    before, (after, _, _) = start(name), reference(name)
    shapes = [jax.tree.map(lambda x: (x.shape, x.dtype), s) for s in (before, after)]
    assert shapes[0].extra == shapes[1].extra
    assert shapes[0].params == shapes[1].params


@pytest.mark.parametrize("name", toys.TOYS)
def test_restored_runs_go_on_bit_for_bit(name, tmp_path):
    _, _, _, layout, _ = compiled(name, 1)
    half, _, _ = advance(name, start(name), range(STEPS - 1))
    manager = checkpoints.open_checkpoints(tmp_path)
    checkpoints.save(manager, jax.device_put(half, layout), {"name": name}, {})
    manager.wait_until_finished()
    target = jax.tree.map(
        lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), half, layout
    )
    restored = checkpoints.restore_latest(manager, target)
    manager.close()
    equal(jax.device_get(restored), half)
    state, _, _ = advance(name, jax.device_get(restored), [STEPS - 1])
    equal(state, reference(name)[0])


@pytest.mark.parametrize("name", toys.TOYS)
def test_every_group_moves(name):
    method, *_ = compiled(name, 1)
    before, (after, _, _) = start(name), reference(name)
    trained = set()
    for objective in method.objectives.values():
        trained |= set(objective.wrt or before.params)
    for group, tree in before.params.items():
        leaves = zip(
            jax.tree.leaves(tree), jax.tree.leaves(after.params[group]), strict=True
        )
        moved = any(not np.array_equal(a, b) for a, b in leaves)
        assert moved == (group in trained), group


@functools.cache
def seen(name):
    """A batch as the views of a method make it."""
    return jax.jit(toys.TOYS[name]().views)(KEY, toys.batch())


@functools.cache
def reading(name):
    """All outputs of a method in one program: they share most of what is compiled."""
    outputs = compiled(name, 1)[0].outputs

    def all_of(*given):
        return {kind: output(*given, key=KEY) for kind, output in outputs.items()}

    return jax.jit(all_of)


def read(name, batch):
    state, _, _ = reference(name)
    return reading(name)(state.params, state.extra, batch)


@pytest.mark.parametrize("name", toys.TOYS)
def test_features_see_each_image_alone(name):
    batch = seen(name)
    turned = jax.tree.map(lambda x: x[::-1], batch)
    features = read(name, batch)["features"]
    assert features.shape[0] == toys.BATCH
    assert features.ndim == 2
    assert features.std(axis=0).max() > 0
    back = read(name, turned)["features"][::-1]
    close(features, back, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", toys.TOYS)
def test_outputs_are_arrays_of_their_kind(name):
    """Deterministic given the key; pictures are titled images, a map has two axes."""
    ranks = {"features": 2, "logits": 2, "image": 2, "text": 2, "action": 2}
    outputs = read(name, seen(name))
    equal(outputs, read(name, seen(name)))
    for kind, output in outputs.items():
        for leaf in jax.tree.leaves(output):
            assert leaf.shape[0] == toys.BATCH
            assert np.isfinite(leaf).all()
            assert leaf.ndim == ranks.get(kind, 4)
        assert isinstance(output, dict) == (kind == "pictures")


@pytest.mark.parametrize("name", toys.TOYS)
def test_statistics_stand_by_group(name):
    state = start(name)
    assert set(state.extra.get("stats", {})) <= set(state.params)
    strays = set(state.extra) & set(state.params)
    assert not strays, f"{strays} are groups; their statistics belong in extra['stats']"


def test_painted_pictures_keep_what_was_seen():
    """MAE paints the hidden patches and leaves the others as they are."""
    method, *_ = compiled("mae", 1)
    state, _, _ = reference("mae")
    batch = seen("mae")
    pictures = method.outputs["pictures"](state.params, state.extra, batch, key=KEY)
    assert list(pictures) == ["image", "visible", "painted"]
    image, visible, painted = pictures.values()
    np.testing.assert_array_equal(image, batch["views"][0])
    hidden = np.repeat(np.asarray(batch["mask"]).reshape(-1, 4, 4), 4, axis=1)
    hidden = np.repeat(hidden, 4, axis=2).astype(bool)
    np.testing.assert_allclose(painted[~hidden], image[~hidden], rtol=1e-6)
    np.testing.assert_allclose(visible[~hidden], image[~hidden], rtol=1e-6)
    assert np.abs(painted[hidden] - image[hidden]).mean() > 1e-3
    assert not visible[hidden].any()


@pytest.mark.parametrize("name", toys.TOYS)
def test_another_key_is_another_run(name):
    _, _, train, layout, _ = compiled(name, 1)
    first = jax.device_put(start(name), layout)
    _, metrics = train(first, toys.batch(0), jax.random.key(8))
    losses = [k for k in metrics if k.endswith("/loss")]
    before = reference(name)[1][0]
    assert all(float(metrics[k]) != before[k] for k in losses)
