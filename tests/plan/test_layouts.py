"""What layouts send: a split state is gathered for its use, and the batch never is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sslax import methods, plan, sharding, step
from sslax.core import Aux, Method, Objective
from sslax.plan._options import has_option, with_option
from tests import toys
from tests.methods.following import linear


def perceptron():
    def init(key, batch):
        first, second = jax.random.split(key)
        params = {
            "first": jax.random.normal(first, (16, 64)),
            "second": jax.random.normal(second, (64, 32)),
        }
        return params, {"teacher": params}

    def loss(params, extra, batch, *, key, step):
        target = jnp.tanh(batch["x"] @ extra["teacher"]["first"])
        out = jnp.tanh(batch["x"] @ params["first"])
        error = (out - target) @ params["second"]
        return (error**2).mean() + out.mean(), Aux(extra)

    objectives = {"ssl": Objective(loss=loss, separable=True)}
    outputs = {"features": lambda params, extra, batch, *, key: batch["x"]}
    return Method(init=init, objectives=objectives, outputs=outputs)


@functools.cache
def sent(rows, rule, ways):
    """Bytes by kind that a chip gives into collectives, for a batch of so many rows."""
    place = sharding.fsdp(min_size=1) if rule == "fsdp" else sharding.replicated()
    batch = {"x": jax.ShapeDtypeStruct((rows, 16), np.float32)}
    found = {}
    for one in collectives(perceptron(), lambda key, x: x, batch, place, fsdp=ways):
        found[one.kind] = found.get(one.kind, 0) + one.bytes * one.count
    return found


def collectives(method, views, batch, rule, **mesh):
    mesh, txs = sharding.make_mesh(**mesh), {"ssl": optax.adam(0.1)}
    _, shapes = step.compile_init(method, txs, views, mesh, rule, batch)
    key = jax.random.key(0)
    train = step.compile_step(method, txs, views, mesh, shapes)
    text = train.lower(shapes, batch, key).compile().as_text()
    return plan.collectives(plan.read_hlo(text), chips=mesh.size)


def test_what_is_gathered_is_the_state_and_does_not_grow_with_the_batch():
    for ways in (4, 8):
        small, large = sent(64, "fsdp", ways), sent(512, "fsdp", ways)
        assert small["all-gather"] == large["all-gather"] > 0
        assert set(small) <= {"all-gather", "all-reduce", "reduce-scatter"}
        assert small == large


def test_a_replicated_state_only_reduces_its_gradients():
    found = sent(64, "replicated", 1)
    assert set(found) == {"all-reduce"}
    weights = 4 * (16 * 64 + 64 * 32)
    assert weights <= found["all-reduce"] <= weights + 64


def test_shuffled_batch_norm_sends_statistics_and_no_image():
    toy = toys.moco()
    found = collectives(toy.method, toy.views, toys.batch(), sharding.replicated())
    image = 4 * 3 * toys.SIZE**2
    moved = [c for c in found if c.kind != "all-reduce"]
    assert moved, "the keys are gathered"
    assert max(c.bytes for c in moved) < image
    assert max(c.bytes for c in found) < 4 * image, "gradients"


IMAGES = 2**15
BANKS = {
    "softmax": methods.instdisc(linear(8), examples=IMAGES, dim=32, negatives=None),
    "much noise": methods.instdisc(linear(8), examples=IMAGES, dim=32, negatives=512),
    "two views": methods.cmc(
        (linear(8), linear(8)),
        examples=IMAGES,
        dim=32,
        contrast="nce",
        negatives=512,
    ),
    "little noise": methods.instdisc(linear(8), examples=IMAGES, dim=32, negatives=8),
}


@pytest.mark.parametrize("name", BANKS)
@pytest.mark.parametrize("layout", ["replicated", "fsdp"])
def test_a_bank_lies_by_rows_and_is_never_sent(name, layout):
    """Nor is what is gathered from it: scores are made where the rows are."""

    def views(key, batch):
        return {**batch, "views": (batch["image"],) * (1 + (name == "two views"))}

    batch = {
        "image": jax.ShapeDtypeStruct((16, 4, 4, 1), np.float32),
        "index": jax.ShapeDtypeStruct((16,), np.int32),
    }
    rule = {"fsdp": sharding.fsdp(), "replicated": sharding.replicated()}[layout]
    ways = {"fsdp": 4, "replicated": 1}[layout]
    args = (BANKS[name], views, batch, rule)
    mesh, txs = sharding.make_mesh(fsdp=ways), {"ssl": optax.adam(0.1)}
    _, shapes = step.compile_init(args[0], txs, views, mesh, rule, batch)
    banks = jax.tree.leaves([v for k, v in shapes.extra.items() if "bank" in k])
    assert all(b.sharding.spec == jax.P(("data", "fsdp")) for b in banks)
    found = collectives(*args, fsdp=ways)
    assert max(c.bytes for c in found) < 4 * IMAGES * 32 / (8 * 2), "half of a part"


def test_networks_in_a_list_have_their_options():
    config = {"method": {"encoders": ({"name": "vit"}, {"name": "convnet"})}}
    assert has_option(config, "remat")
    nets = with_option(config, "remat", True)["method"]["encoders"]
    assert nets == ({"name": "vit", "remat": True}, {"name": "convnet"})
