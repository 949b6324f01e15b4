"""Colour: identities, ranges, families, orders."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslax import augment

FAMILIES = ("torchvision", "simclr", "byol")
IMAGE = jax.random.uniform(jax.random.key(1), (3, 6, 5, 3))


@pytest.mark.parametrize("colour", FAMILIES)
def test_neutral_amounts_are_the_identity(colour):
    nothing = 0.0 if colour == "byol" else 1.0
    near = {"atol": 1e-6}
    made = jax.jit(
        lambda x: (
            augment.brightness(x, nothing, colour=colour),
            augment.contrast(x, 1.0, colour=colour),
            augment.saturation(x, 1.0, colour=colour),
            augment.hue(x, 0.0),
            augment.grayscale(x, amount=0.0),
            augment.solarize(x, threshold=jnp.inf),
            augment.hsv_to_rgb(augment.rgb_to_hsv(x)),
            augment.hue(augment.hue(x, 0.5), 0.5),
        )
    )(IMAGE)
    chex.assert_trees_all_close(made, (IMAGE,) * 8, **near)


def reference_jitter(x, amounts, order, colour):
    """One image, one operation after the other, by the public functions."""
    for i in order:
        if i == 3:
            x = augment.hue(x, amounts[3])
        elif i >= 0:
            name = ("brightness", "contrast", "saturation")[i]
            x = getattr(augment, name)(x, amounts[i], colour=colour)
        x = jnp.clip(x, 0.0, 1.0)
    return x


@pytest.mark.parametrize("colour", FAMILIES)
def test_jitter_follows_the_order_of_each_image(colour):
    amounts = jnp.array([[0.3, 1.7, 0.4, 0.2], [1.6, 0.3, 1.8, -0.1], [0.9, 2, 0, 0.5]])
    orders = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [2, -1, 0, 1]])
    made = jax.jit(lambda x, o: augment.jitter(x, amounts, o, colour=colour))(
        IMAGE, jnp.asarray(orders)
    )
    wanted = [
        reference_jitter(IMAGE[i : i + 1], amounts[i], orders[i], colour)[0]
        for i in range(3)
    ]
    chex.assert_trees_all_close(made, jnp.stack(wanted), atol=2e-6)
    assert 0 <= made.min() <= made.max() <= 1


@pytest.mark.parametrize("colour", FAMILIES)
def test_jitter_in_each_of_the_24_orders(colour):
    orders = np.array(list(itertools.permutations(range(4))))
    image = jnp.broadcast_to(IMAGE[:1], (24, 6, 5, 3))
    amounts = jnp.broadcast_to(jnp.array([[1.3, 0.6, 1.7, 0.15]]), (24, 4))
    made = jax.jit(lambda x, o: augment.jitter(x, amounts, o, colour=colour))(
        image, jnp.asarray(orders)
    )
    wanted = [reference_jitter(IMAGE[:1], amounts[0], o, colour)[0] for o in orders]
    chex.assert_trees_all_close(made, jnp.stack(wanted), atol=2e-6)


def test_hue_is_continuous_where_two_channels_tie(rng):
    """Rounding may decide which channel is largest, never the colour."""
    pixels = rng.random((64, 3)).astype(np.float32)
    pixels[:, 1] = pixels[:, 0]
    near = pixels + rng.uniform(-1e-7, 1e-7, pixels.shape).astype(np.float32)
    turn = jax.jit(lambda x: augment.hue(x[None, None], 0.3))
    # Half of them are ties at the top, half at the bottom.
    chex.assert_trees_all_close(turn(pixels), turn(near), atol=1e-5)


@jax.jit
def many_jittered(key):
    image = jnp.broadcast_to(IMAGE[:1], (4000, 6, 5, 3))
    return augment.random_jitter(key, image, strength=(0.4, 0.4, 0.2, 0.1))


def test_random_jitter_has_its_probability_and_leaves_the_rest_exactly():
    made = np.asarray(many_jittered(jax.random.key(0)))
    same = (made == np.asarray(IMAGE[:1])).all(axis=(1, 2, 3))
    assert abs(same.mean() - 0.2) < 4 * np.sqrt(0.16 / 4000)
    assert len({m.tobytes() for m in made[~same][:200]}) == 200
    chex.assert_trees_all_equal(made, np.asarray(many_jittered(jax.random.key(0))))


def test_rows_are_made_before_they_are_jittered_on_tpu_alone():
    image, key = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32), jax.random.key(0)
    traced = jax.jit(augment.random_jitter).trace(key, image)
    for platform, expected in {"cpu": 0, "cuda": 0, "tpu": 1}.items():
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert text.count("optimization_barrier") == expected


def test_one_channel_is_left_alone_by_what_needs_colour():
    grey = IMAGE[..., :1]
    for made in (
        augment.hue(grey, 0.3),
        augment.saturation(grey, 0.3),
        augment.grayscale(grey),
    ):
        chex.assert_trees_all_equal(made, grey)
    made = augment.random_jitter(jax.random.key(0), grey, probability=1.0)
    assert made.shape == grey.shape
    assert not np.allclose(made, grey)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 2))
def test_grey_has_equal_channels_and_solarize_inverts(value, channel):
    image = jnp.zeros((1, 1, 1, 3)).at[..., channel].set(value)
    grey = augment.grayscale(image)
    assert np.ptp(np.asarray(grey)) == 0
    solar = augment.solarize(image, threshold=0.5)[0, 0, 0, channel]
    expected = 1 - np.float32(value) if np.float32(value) >= 0.5 else np.float32(value)
    assert solar == pytest.approx(expected, abs=1e-7)


def test_bfloat16_within_its_rounding_and_gradients_finite():
    order = jnp.tile(jnp.arange(4)[None], (3, 1))
    amounts = jnp.array([[1.2, 0.7, 1.3, 0.1]] * 3)
    jitter = jax.jit(lambda x: augment.jitter(x, amounts, order))
    exact = jitter(IMAGE)
    rounded = jitter(IMAGE.astype(jnp.bfloat16))
    assert rounded.dtype == jnp.bfloat16
    chex.assert_trees_all_close(rounded.astype(jnp.float32), exact, atol=0.03)
    for image in (jnp.zeros_like(IMAGE), jnp.full_like(IMAGE, 0.5), IMAGE):
        slope = jax.jit(jax.grad(lambda x: jitter(x).sum()))(image)
        assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (jnp.zeros((2, 4, 4, 3), jnp.uint8), "to_float"),
        (jnp.full((2, 4, 4, 3), 200.0), "divide by 255"),
        (jnp.zeros((4, 4, 3)), "batch axis"),
    ],
)
def test_bad_images_say_what_to_do(image, message):
    function = augment.brightness.__wrapped__  # past the annotations
    with pytest.raises(ValueError, match=message):
        function(image, 1.0)


def test_bad_options_name_the_choices():
    with pytest.raises(ValueError, match="'torchvision', 'simclr', 'byol'"):
        augment.brightness(IMAGE, 1.0, colour="tf")
    with pytest.raises(ValueError, match="four numbers"):
        augment.random_jitter(jax.random.key(0), IMAGE, strength=(0.4, 0.4))
    with pytest.raises(ValueError, match="turns"):
        augment.random_jitter(jax.random.key(0), IMAGE, strength=(0, 0, 0, 18.0))
    with pytest.raises(ValueError, match="imagenet"):
        augment.normalize(IMAGE, statistics="imagnet")
