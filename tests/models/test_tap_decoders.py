"""Decoders of several taps, and MAE's without a class token."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from tests.models.drawn import drawn

KEY = jax.random.key(0)
TOY = {"width": 16, "depth": 1, "heads": 2}


def shapes(net, *inputs):
    return jax.eval_shape(net.init, KEY, *inputs)


def test_maps_with_a_mask_and_kept_patches_are_the_same_function():
    net = models.local_mim_decoder(
        **TOY, scales=(4, 1, 0.5), dim=(3, 5, 7), class_token=False
    )
    maps = [jax.random.normal(jax.random.key(i), (2, 4, 4, 6)) for i in range(3)]
    order = jnp.stack([jax.random.permutation(jax.random.key(i), 16) for i in (5, 6)])
    keep, restore = order[:, :4], jnp.argsort(order, axis=1)
    mask = (restore >= 4).reshape(2, 4, 4)
    kept = [
        jnp.take_along_axis(x.reshape(2, 16, 6), keep[:, :, None], axis=1) for x in maps
    ]
    params, _ = drawn(net, maps, mask)
    apply = jax.jit(net.apply)
    dense, _ = apply(params, {}, maps, mask)
    sparse, _ = apply(params, {}, kept, restore)
    assert [x.shape for x in dense] == [(2, 16, 16, 3), (2, 4, 4, 5), (2, 2, 2, 7)]
    for a, b in zip(dense, sparse, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    hidden = [jnp.where(mask[..., None], 9.0, x) for x in maps]
    for a, b in zip(dense, apply(params, {}, hidden, mask)[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_taps_of_a_pyramid_take_the_mask_of_the_coarsest():
    net = models.local_mim_decoder(
        scales=(1, 1), dim=(12, 48), width=(8, 16), heads=2, output=("maps", "latents")
    )
    taps = [jnp.zeros((2, 4, 6, 16)), jnp.zeros((2, 2, 3, 32))]
    mask = jnp.zeros((2, 2, 3))
    variables = shapes(net, taps, mask)
    out, _ = jax.eval_shape(net.apply, *variables, taps, mask)
    assert [x.shape for x in out["maps"]] == [(2, 4, 6, 12), (2, 2, 3, 48)]
    assert [x.shape for x in out["latents"]] == [x.shape for x in taps]
    with pytest.raises(ValueError, match="3 x 3 places does not divide"):
        shapes(net, taps, jnp.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="2 taps and is given 1 latents"):
        shapes(net, taps[:1], mask)


def test_deep_mim_has_independent_decoders_of_maes_kind():
    net = models.deep_mim_decoder(**TOY, taps=2, dim=5)
    latents, restore = jax.random.normal(KEY, (1, 3, 8)), jnp.array([[1, 0, 2, 3]])
    params, _ = drawn(net, [latents] * 2, restore)
    (first, second), _ = jax.jit(net.apply)(params, {}, [latents] * 2, restore)
    assert first.shape == (1, 4, 5)
    assert not np.allclose(first, second, atol=1e-2)
    single = models.mae_decoder(**TOY, dim=5)
    alone, _ = jax.jit(single.apply)(params["decoder1"], {}, latents, restore)
    np.testing.assert_allclose(second, alone, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="2 taps and is given no list of latents"):
        shapes(net, latents, restore)


def test_mae_decoder_without_class_token():
    net = models.mae_decoder(**TOY, patch_size=2, class_token=False)
    inputs = jnp.zeros((2, 3, 8)), jnp.zeros((2, 9), jnp.int32)
    variables = shapes(net, *inputs)
    assert jax.eval_shape(net.apply, *variables, *inputs)[0].shape == (2, 9, 12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.local_mim_decoder(scales=(3, 1)), "scale must be one of"),
        (lambda: models.local_mim_decoder(width=(256, 128)), "one for each of 4"),
        (lambda: models.local_mim_decoder(width=100), "8 heads do not divide"),
        (lambda: models.deep_mim_decoder(width=100), "16 heads do not divide"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
