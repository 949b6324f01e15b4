"""ConvMAE's encoder, and the convolutions that it and the decoders are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sslax import models
from sslax.models._convolutions import ConvTranspose, DepthwiseConv
from tests.models.drawn import drawn

KEY = jax.random.key(0)
TOY = {"widths": (4, 8, 16), "depths": (1, 1, 2), "heads": 2, "strides": (2, 2, 2)}


def shapes(net, *inputs):
    return jax.eval_shape(net.init, KEY, *inputs)


def test_kept_places_never_see_masked_pixels():
    names = ("tokens", "stage1", "stage2")
    net = models.convmae_encoder(**TOY, output=names)
    image = jax.random.normal(KEY, (1, 32, 32, 3))
    keep = jnp.array([[5, 2, 15, 7]])
    params, _ = drawn(net, image, keep)
    masked = np.ones(16)
    masked[np.asarray(keep[0])] = 0
    masked = masked.reshape(4, 4)
    pixels = masked.repeat(8, 0).repeat(8, 1)[None, :, :, None]
    apply = jax.jit(lambda image, keep: net.apply(params, {}, image, keep)[0])
    out, other = apply(image, keep), apply(image + 2.0 * pixels, keep)
    np.testing.assert_array_equal(out["tokens"], other["tokens"])
    for name, times in (("stage1", 4), ("stage2", 2)):
        seen = masked.repeat(times, 0).repeat(times, 1)[None] == 0
        np.testing.assert_array_equal(out[name][seen], other[name][seen])
        assert np.abs(out[name] - other[name])[~seen].max() > 1e-3
    order = jnp.array([3, 1, 0, 2])
    np.testing.assert_allclose(
        apply(image, keep[:, order])["tokens"],
        out["tokens"][:, order],
        rtol=1e-4,
        atol=1e-5,
    )
    whole, _ = jax.jit(net.apply)(params, {}, image)
    assert whole["tokens"].shape == (1, 16, 16)
    assert not np.allclose(whole["tokens"][:, keep[0]], out["tokens"], atol=1e-3)


def test_fine_tuning_has_no_fusion_and_fits_the_weights():
    image = jnp.zeros((2, 16, 24, 3))
    before, _ = shapes(models.convmae_encoder(**TOY), image)
    net = models.convmae_encoder(**TOY, fusion=False, output="pooled")
    after, _ = shapes(net, image)
    assert set(before) - set(after) == {"fuse1", "fuse2", "norm"}
    assert set(after) - set(before) == {"fc_norm"}
    out, _ = jax.eval_shape(net.apply, after, {}, image)
    assert out.shape == (2, 16)
    learned, _ = shapes(models.convmae_encoder(**TOY, positions="learned"), image)
    assert learned["pos_embed"].shape == (1, 6, 16)


def test_fixed_positions_are_of_float32_also_under_x64():
    with jax.enable_x64(True):
        net = models.convmae_encoder(**TOY, output="block0")
        image = jnp.zeros((1, 16, 16, 3), jnp.float64)
        zeros = jax.tree.map(lambda p: jnp.zeros(p.shape), shapes(net, image)[0])
        got, _ = jax.jit(net.apply)(zeros, {}, image)
    table = models.sincos_positions(height=2, width=2, dim=16, class_token=False)
    np.testing.assert_array_equal(got[0], table)


def test_depthwise_forms_agree_with_lax():
    x = jax.random.normal(KEY, (2, 6, 7, 3))

    def both(impl):
        conv = DepthwiseConv(5, impl=impl)
        params = jax.eval_shape(conv.init, KEY, x)["params"]
        rng = np.random.default_rng(1)
        params = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape)), params)
        loss = lambda p, x: jnp.sum(jnp.sin(conv.apply({"params": p}, x)))  # noqa: E731
        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(params, x)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        both("matmul"),
        both("lax"),
    )
    with pytest.raises(ValueError, match=r"conv_impl must be one of .*; got 'fft'"):
        DepthwiseConv(5, impl="fft").init(KEY, x)


@pytest.mark.parametrize(("size", "padding"), [(2, 0), (4, 1)])
def test_transposed_convolution_is_the_gradient_of_a_convolution(size, padding, rng):
    x = jnp.asarray(rng.normal(size=(2, 3, 4, 5)), jnp.float32)
    conv = ConvTranspose(6, size, 2, padding)
    kernel = jnp.asarray(rng.normal(size=(size, size, 5, 6)), jnp.float32)
    params = {"kernel": kernel, "bias": jnp.arange(6.0)}
    y = conv.apply({"params": params}, x)
    assert y.shape == (2, 6, 8, 6)

    def convolution(image):
        return lax.conv_general_dilated(
            image,
            kernel.transpose(0, 1, 3, 2),
            (2, 2),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    _, pullback = jax.vjp(convolution, jnp.zeros((2, 6, 8, 6)))
    want = pullback(x)[0] + jnp.arange(6.0).reshape(1, 1, 1, -1)
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (4, 8)}, "widths is .4, 8.; expected three"),
        ({"heads": 3}, "3 heads do not divide the width 16"),
        ({"positions": "rotary"}, "positions must be one of .*; got 'rotary'"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        models.convmae_encoder(**{**TOY, **options})


def test_an_image_that_the_strides_do_not_divide_is_named():
    with pytest.raises(ValueError, match="nearest sizes are 16 and 24"):
        shapes(models.convmae_encoder(**TOY), jnp.zeros((1, 16, 20, 3)))
