"""CLIP: arXiv:2103.00020, figure 3."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models, sharding
from sslax.core import Net
from tests.methods.following import (
    cross_entropy,
    flat,
    follow,
    linear,
    trace,
    unit,
)

BATCH, WORDS = 4, 7


def bag(dim):
    """A net of texts: the sum of a vector for each word."""

    def init(key, text):
        del text
        return {"w": jax.random.normal(key, (WORDS, dim))}, {}

    def apply(params, stats, text, *, train=False, key=None, order=None):
        del train, key, order
        return params["w"][text].sum(axis=1), stats

    return Net(init, apply)


def batches(rng, count=3):
    return [
        {
            "views": (rng.normal(size=(BATCH, 2, 2, 3)),),
            "text": rng.integers(0, WORDS, (BATCH, 5)),
        }
        for _ in range(count)
    ]


def cosines(params, batch):
    image = flat(flat(batch["views"][0], params["encoder"]), params["projector"])
    return unit(image) @ unit(params["text"]["w"][batch["text"]].sum(axis=1)).T


def loss(params, extra, batch):
    """Each image finds its text among the batch's, and each text its image."""
    del extra
    logits = np.exp(params["scale"]["log_scale"]) * cosines(params, batch)
    both = [cross_entropy(m[i], i) for m in (logits, logits.T) for i in range(BATCH)]
    return np.mean(both)


def test_three_steps_of_all_pairs(rng):
    method = methods.clip(linear(5), bag(3), projector=linear(3), temperature=0.3)
    steps = follow(method, batches(rng), loss)
    assert steps[0].metrics["ssl/scale"] == pytest.approx(1 / 0.3)


@pytest.mark.parametrize(("scale", "kept"), [(0.5, 1.0), (1.5, 1.5), (3.0, 2.0)])
def test_the_scale_stays_between_1_and_its_largest(scale, kept):
    method = methods.clip(linear(3), bag(3), temperature=0.5, largest=2.0)
    params = {"scale": {"log_scale": jnp.log(scale)}, "text": {}}
    after, _ = method.after_update(params, {}, step=0)
    assert float(jnp.exp(after["scale"]["log_scale"])) == pytest.approx(kept)
    assert after.keys() == params.keys()


def test_outputs_are_in_one_space_and_their_product_is_a_logit(rng):
    method = methods.clip(linear(5), bag(3), projector=linear(3), temperature=0.2)
    batch = jax.device_put(batches(rng, 1)[0])
    params, extra = method.init(jax.random.key(0), batch)
    read = {
        name: np.asarray(output(params, extra, batch, key=None))
        for name, output in method.outputs.items()
    }
    logits = 5 * cosines(jax.device_get(params), batch)
    np.testing.assert_allclose(read["image"] @ read["text"].T, logits, rtol=1e-4)
    assert read["features"].shape == (BATCH, 5)


def test_no_chip_holds_the_logits_of_the_whole_batch():
    """Of 64 x 64 logits each of 8 devices has 8 rows, forward and backward."""
    size, d = 64, 16
    image, text = jnp.ones((size, 1, 1, 3)), jnp.ones((size, 2), jnp.int32)
    method = methods.clip(linear(d), bag(d))
    mesh = sharding.make_mesh()
    shapes = jax.eval_shape(
        lambda: method.init(jax.random.key(0), {"views": (image,), "text": text})
    )

    def slope(params, extra, batch):
        def value(p):
            return method.objectives["ssl"].loss(
                p, extra, batch, key=jax.random.key(0), step=0
            )[0]

        return jax.value_and_grad(value)(params)

    rows = sharding.batch_sharding(mesh)
    whole = jax.NamedSharding(mesh, jax.P())
    compiled = jax.jit(slope, in_shardings=(whole, whole, rows))
    batch = {"views": (image,), "text": text}
    text_of = compiled.lower(*shapes, batch).compile().as_text()
    assert not re.search(rf"\[{size},{size}\]", text_of)
    assert re.search(rf"\[{size // 8},{size}\]|\[{size},{size // 8}\]", text_of)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive"),
        (
            {"temperature": 0.001},
            "above its largest=100; give a temperature of at least",
        ),
        ({"features": "unprojected"}, "no output of the encoder"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        methods.clip(linear(5), bag(5), **options)


def test_what_the_batch_lacks_is_told_before_the_first_step(rng):
    (batch,) = batches(rng, 1)
    method = methods.clip(linear(5), bag(5))
    with pytest.raises(
        ValueError, match=r"no texts: give data with captions.*\['views"
    ):
        trace(method, {"views": batch["views"]})
    with pytest.raises(ValueError, match="2 or more rows"):
        trace(method, jax.tree.map(lambda x: x[:1], batch))


def test_unprojected_features_are_those_before_the_last_layer():
    net = models.clip_vit(
        dim=3, width=8, depth=1, heads=2, patch_size=4, output=("pooled", "unprojected")
    )
    image = jnp.ones((2, 8, 8, 3))
    params, stats = net.init(jax.random.key(0), image)
    out, _ = net.apply(params, stats, image)
    want = out["unprojected"] @ params["projection"]["kernel"]
    np.testing.assert_allclose(out["pooled"], want, rtol=1e-5)
    method = methods.clip(net, bag(3), features="unprojected")
    batch = {"views": (image,), "text": jnp.ones((2, 3), jnp.int32)}
    params, extra = method.init(jax.random.key(0), batch)
    read = {
        name: f(params, extra, batch, key=None) for name, f in method.outputs.items()
    }
    out, _ = net.apply(params["encoder"], stats, image)
    np.testing.assert_array_equal(read["features"], out["unprojected"])
    unit = out["pooled"] / np.linalg.norm(out["pooled"], axis=-1, keepdims=True)
    np.testing.assert_allclose(read["image"], unit, rtol=1e-5)
