"""CUT: arXiv:2007.15651, equations 1 to 5."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sslax import methods, models, step
from sslax.core import Net
from tests import toys
from tests.methods.following import equal, follow, unit

TAPS, T, SIDE, PLACES = ("pixels", "inner"), 0.3, 3, 4


def judge():
    """A logit of every pixel, by one matrix."""

    def init(key, x):
        return {"w": jax.random.normal(key, (x.shape[-1], 1))}, {}

    def apply(params, stats, x, *, train=False, key=None):
        del train, key
        return x @ params["w"], stats

    return Net(init, apply)


def spheres():
    """A matrix for each tap, and the unit sphere."""

    def init(key, taps):
        keys = jax.random.split(key, len(taps))
        shapes = [(tap.shape[-1], 3) for tap in taps]
        return list(map(jax.random.normal, keys, shapes)), {}

    def apply(params, stats, taps, *, train=False, key=None):
        del train, key
        made = [x @ w for x, w in zip(taps, params, strict=True)]
        return [x / jnp.linalg.norm(x, axis=-1, keepdims=True) for x in made], stats

    return Net(init, apply)


def made(**options):
    nets = toys.recolouring(), judge(), spheres()
    return methods.cut(*nets, taps=TAPS, **{"temperature": T, **options})


def batches(rng, *, flipped=False, terms=2):
    places = [
        [rng.permutation(SIDE * SIDE)[:PLACES] for _ in TAPS] for _ in range(terms)
    ]
    turns = {"flipped": np.array([True, False, True])} if flipped else {}
    return [
        {
            "views": tuple(rng.uniform(-1, 1, (2, 3, SIDE, SIDE, 3))),
            "places": np.array(places),
            **turns,
        }
        for _ in range(3)
    ]


def painted(x, net):
    """The outputs of the generator for one image: its taps and the translation."""
    inner = np.tanh(np.concatenate([x, np.roll(x, 1, axis=1)], axis=-1) @ net["first"])
    return {"pixels": x, "inner": inner, "image": np.tanh(inner @ net["last"])}


def turned(x, batch, i):
    return x[:, ::-1] if "flipped" in batch and batch["flipped"][i] else x


def fakes(params, batch, domain=0):
    return [
        painted(turned(x, batch, i), params["generator"])["image"]
        for i, x in enumerate(batch["views"][domain])
    ]


def judging(params, extra, batch):
    """Equation 1, by least squares: made images are 0, those of the target are 1."""
    w = params["discriminator"]["w"]
    made = np.mean((np.array(fakes(extra["still"], batch)) @ w) ** 2)
    return (made + np.mean((batch["views"][1] @ w - 1) ** 2)) / 2


def contrast(params, extra, batch, domain, *, whole=False):
    """Equations 2 to 4: patches of what is made, among those of its own source."""
    still, values = extra["still"], []
    for t, tap in enumerate(TAPS):
        places, queries, keys = batch["places"][domain][t], [], []
        for i, made in enumerate(fakes(params, batch, domain)):
            source = painted(batch["views"][domain][i], still["generator"])[tap]
            seen = turned(painted(made, params["generator"])[tap], batch, i)
            rows = [x.reshape(-1, x.shape[-1])[places] for x in (seen, source)]
            queries.append(unit(rows[0] @ params["heads"][t]))
            keys.append(unit(rows[1] @ still["heads"][t]))
        if whole:
            queries, keys = [np.concatenate(queries)], [np.concatenate(keys)]
        for q, k in zip(queries, keys, strict=True):
            scores = np.exp(q @ k.T / T)
            for p in range(len(q)):
                total = scores[p].sum() + np.exp(-10 / T)
                values.append((t, -np.log(scores[p, p] / total)))
    return np.mean([np.mean([v for u, v in values if u == t]) for t in range(2)])


def translating(params, extra, batch, *, weight, terms, gan=1.0, **how):
    """Equation 5."""
    logits = np.array(fakes(params, batch)) @ params["discriminator"]["w"]
    found = [contrast(params, extra, batch, i, **how) for i in range(terms)]
    return gan * np.mean((logits - 1) ** 2) + weight * np.mean(found)


def objectives(**how):
    return {
        "discriminator": judging,
        "generator": functools.partial(translating, **how),
    }


def test_cut_and_its_average_follow_the_released_steps(rng):
    """The discriminator first; images of the target keep their patches as well."""
    given = batches(rng)
    steps = follow(made(momentum=0.75), given, objectives(weight=1.0, terms=2))
    for before, _, _, after in steps:
        old, new = before.extra["teacher"], {"generator": after.params["generator"]}
        wanted = jax.tree.map(lambda t, s: 0.75 * t + 0.25 * s, old, new)
        equal(after.extra["teacher"], wanted)
    method, last = made(momentum=0.75), steps[-1].after
    batch = jax.device_put(given[0])
    read = method.outputs["pictures"](last.params, last.extra, batch, key=None)
    assert list(read) == ["source", "translation", "target", "identity"]
    average = last.extra["teacher"]["generator"]
    for name, domain in (("translation", 0), ("identity", 1)):
        wanted = [painted(x, average)["image"] for x in given[0]["views"][domain]]
        np.testing.assert_allclose(read[name], wanted, rtol=1e-5, atol=1e-6)


def test_fastcut_turns_with_what_is_turned(rng):
    given = batches(rng, flipped=True, terms=1)
    method = made(identity=False, weight=10.0, gan_weight=0.5, whole_batch=True)
    how = {"weight": 10.0, "terms": 1, "gan": 0.5, "whole": True}
    follow(method, given, objectives(**how))


def test_places_are_drawn_anew_and_all_where_there_are_few(rng):
    given = {"views": tuple(map(jnp.asarray, batches(rng)[0]["views"]))}

    def value(method, batch, seed):
        params, extra = method.init(jax.random.key(0), batch)
        loss, key = method.objectives["generator"].loss, jax.random.key(seed)
        return loss(params, extra, batch, key=key, step=0)[1].metrics["nce"]

    assert value(made(patches=2), given, 0) != value(made(patches=2), given, 1)
    every = {**given, "places": np.tile(np.arange(SIDE * SIDE), (2, 2, 1))}
    wanted = value(made(), every, 0)
    np.testing.assert_allclose(value(made(), given, 0), wanted, rtol=1e-5)


def test_both_objectives_share_one_pass_of_the_generator():
    """Compiled together they need less than each alone, by one forward pass."""
    method, key = made(patches=8), jax.random.key(0)
    batch = {"views": (jax.ShapeDtypeStruct((4, 16, 16, 16), "float32"),) * 2}

    def flops(names):
        some = {name: method.objectives[name] for name in names}
        part = dataclasses.replace(method, objectives=some)
        txs = {name: optax.sgd(0.1) for name in names}
        init = functools.partial(step.init_state, part, txs, lambda k, b: b)
        turn = jax.jit(functools.partial(step.train_step, part, txs, lambda k, b: b))
        state = jax.eval_shape(init, batch, key)
        return turn.lower(state, batch, key).compile().cost_analysis()["flops"]

    both = flops(("discriminator", "generator"))
    alone = [flops((name,)) for name in method.objectives]
    pixels, (first, last) = 2 * 4 * 16 * 16, (32 * 6, 6 * 16)
    assert both < sum(alone) - 0.9 * 2 * pixels * (first + last)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive and finite; got 0"),
        ({"patches": 0}, "patches must be positive and finite; got 0"),
        ({"weight": -1.0}, "weight must be 0 or more; got -1"),
        ({"momentum": 1.5}, r"momentum must be in \[0, 1\]; got 1.5"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


def test_a_generator_without_a_tap_is_refused():
    net = models.resnet_generator(output=("image", "down1"))
    with pytest.raises(ValueError, match=r"must give \['padded'.* output=\('image'"):
        methods.cut(net, judge(), spheres())


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 8, 8, 3),), "takes 2 views of an image; got 1"),
        (((2, 8, 8, 3), (2, 8, 12, 3)), r"of one size.*\(8, 8, 3\) and \(8, 12, 3\)"),
        (((2, 18, 18, 3),) * 2, r"makes \(20, 20, 3\) of views \(18, 18, 3\).*4 for"),
        (
            ((2, 8, 8, 3),) * 2,
            "8 x 8 pixels are too small for patches of 3 layers.*24 or",
        ),
    ],
)
def test_views_that_the_nets_cannot_take_are_found_before_the_first_step(
    shapes, message
):
    method = methods.cut(
        models.resnet_generator(width=2, blocks=1, output=("image", "down1")),
        models.patch_discriminator(width=2, layers=3),
        models.patch_heads(),
        taps=("down1",),
    )
    views = tuple(jnp.ones(shape) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(method.init, jax.random.key(0), {"views": views})
