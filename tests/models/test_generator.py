"""The networks of CUT and CURL: sizes, blurs, and a forward pass against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from tests.models.by_numpy import conv, relu, standardised
from tests.models.drawn import drawn

KEY = jax.random.key(0)
TAPS = ("padded", "down1", "down2", "block1", "block5")


def shapes(net, *inputs):
    return jax.eval_shape(net.init, KEY, *inputs)


def millions(tree):
    count = sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree))
    return round(count / 1e6, 3)


def test_sizes_are_those_that_the_official_code_prints():
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), np.float32)
    generator = models.resnet_generator(output=(*TAPS, "image"))
    params, stats = shapes(generator, image)
    assert millions(params) == 11.378
    out, _ = jax.eval_shape(generator.apply, params, stats, image)
    assert [out[tap].shape[1:] for tap in TAPS] == [
        (262, 262, 3),
        (256, 256, 128),
        (128, 128, 256),
        (64, 64, 256),
        (64, 64, 256),
    ]
    assert out["image"].shape == image.shape
    features = tuple(
        jax.ShapeDtypeStruct((1, 256, out[tap].shape[-1]), np.float32) for tap in TAPS
    )
    assert millions(shapes(models.patch_heads(), features)[0]) == 0.560
    discriminator = models.patch_discriminator()
    params, stats = shapes(discriminator, image)
    assert millions(params) == 2.765
    logits, _ = jax.eval_shape(discriminator.apply, params, stats, image)
    assert logits.shape == (1, 30, 30, 1)
    with pytest.raises(ValueError, match="layers is 0"):
        models.patch_discriminator(layers=0)


def reflected(x, margin):
    edges = (margin, margin)
    return np.pad(x, ((0, 0), edges, edges, (0, 0)), mode="reflect")


def filtered(x, taps):
    """Each channel by itself with a square filter, no padding."""
    taps = np.outer(taps, taps) / np.sum(taps) ** 2
    size = len(taps)
    rows, columns = (n - size + 1 for n in x.shape[1:3])
    return sum(
        taps[i, j] * x[:, i : i + rows, j : j + columns]
        for i in range(size)
        for j in range(size)
    )


def blur_down(x):
    return filtered(reflected(x, 1), [1, 2, 1])[:, ::2, ::2]


def blur_up(x):
    """Zeros between, then the filter: a transposed convolution, cropped as there."""
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    b, h, w, c = x.shape
    spread = np.zeros((b, 2 * h - 1 + 6, 2 * w - 1 + 6, c))
    spread[:, 3:-3:2, 3:-3:2] = x
    full = 4 * filtered(spread, [1, 3, 3, 1])
    return full[:, 3:-3, 3:-3]


def layer(x, p, padding):
    return conv(x, p["kernel"], padding=padding) + p["bias"]


def norm(x):
    return standardised(x, (1, 2))


def test_generator_follows_its_description(rng):
    names = ("padded", "down1", "down2", "block2", "image")
    net = models.resnet_generator(width=3, blocks=2, output=names)
    image = rng.uniform(-1, 1, size=(2, 8, 8, 3)).astype(np.float32)
    params, stats = drawn(net, image)
    got, _ = jax.jit(net.apply)(params, stats, image)
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    want = {"padded": reflected(image.astype(np.float64), 3)}
    x = relu(norm(layer(want["padded"], p["first"], 0)))
    for i in (1, 2):
        want[f"down{i}"] = layer(x, p[f"down{i}"], 1)
        x = blur_down(relu(norm(want[f"down{i}"])))
    for i in (1, 2):
        y = relu(norm(layer(reflected(x, 1), p[f"block{i}_conv1"], 0)))
        x = x + norm(layer(reflected(y, 1), p[f"block{i}_conv2"], 0))
    want["block2"] = x
    for i in (1, 2):
        x = relu(norm(layer(blur_up(x), p[f"up{i}"], 1)))
    want["image"] = np.tanh(layer(reflected(x, 3), p["last"], 0))
    for name in names:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-3, atol=2e-4)


def test_discriminator_and_heads_follow_their_description(rng):
    net = models.patch_discriminator(width=2, layers=2)
    image = rng.uniform(-1, 1, size=(2, 17, 17, 3)).astype(np.float32)
    params, stats = drawn(net, image)
    got, _ = jax.jit(net.apply)(params, stats, image)
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    x = image.astype(np.float64)
    for i in (1, 2, 3):
        x = layer(x, p[f"conv{i}"], 1)
        x = norm(x) if i > 1 else x
        x = np.where(x > 0, x, 0.2 * x)
        x = blur_down(x) if i < 3 else x
    np.testing.assert_allclose(got, layer(x, p["logits"], 1), rtol=1e-3, atol=1e-4)

    heads = models.patch_heads(hidden=5, dim=4)
    features = tuple(rng.normal(size=(2, 3, c)).astype(np.float32) for c in (3, 6))
    features = (features[0], features[1] * np.array([[[1]], [[0]]], np.float32))
    params, stats = drawn(heads, features)
    for name in params:  # no biases: features of zeros stay there
        params[name]["bias"] *= 0
    out, _ = heads.apply(params, stats, features)
    for i, (x, y) in enumerate(zip(features, out, strict=True), start=1):
        one, two = (params[f"head{i}_linear{j}"]["kernel"] for j in (1, 2))
        want = relu(x @ one) @ two
        length = np.linalg.norm(want, axis=-1, keepdims=True)
        np.testing.assert_allclose(y, want / (length + 1e-7), rtol=1e-4, atol=1e-5)
    slope = jax.grad(
        lambda x: heads.apply(params, stats, (features[0], x))[0][1].sum()
    )(features[1])
    assert np.isfinite(slope).all()


def test_heads_of_cut_add_to_the_norm_what_shows_where_it_is_small():
    heads, features = models.patch_heads(hidden=3, dim=2), (jnp.ones((1, 1, 1)),)
    params, stats = heads.init(KEY, features)
    kernel = np.float32([[3e-7, 4e-7], [0, 0], [0, 0]])
    params["head1_linear1"]["kernel"] = jnp.ones((1, 3))
    params["head1_linear2"]["kernel"] = jnp.asarray(kernel)
    out, _ = heads.apply(params, stats, features)
    np.testing.assert_allclose(out[0][0, 0], kernel[0] / 6e-7, rtol=1e-5)


def test_initial_kernels_of_cut_are_small():
    net = models.resnet_generator(width=8, blocks=1)
    image = jnp.zeros((1, 8, 8, 3))
    layer = jax.jit(lambda key: net.init(key, image)[0]["block1_conv1"])(KEY)
    deviation = 0.02 * np.sqrt(2 / (9 * 32 + 9 * 32))
    assert 0.95 < np.std(layer["kernel"]) / deviation < 1.05
    assert not layer["bias"].any()


def test_curl_starts_orthogonal_and_ends_in_a_normed_state(rng):
    frames = rng.uniform(size=(2, 20, 20, 9)).astype(np.float32)
    net = models.curl_encoder(width=12, layers=2, dim=5)
    params, stats = jax.jit(net.init)(KEY, frames)
    kernel = np.asarray(params["conv1"]["kernel"])
    centre = kernel[1, 1]
    np.testing.assert_allclose(centre @ centre.T, 2 * np.eye(9), atol=1e-5)
    assert np.abs(kernel).sum() == pytest.approx(np.abs(centre).sum())
    linear = np.asarray(params["head"]["linear"]["kernel"])
    np.testing.assert_allclose(linear.T @ linear, np.eye(5), atol=1e-5)

    params, stats = drawn(net, frames)
    got, _ = jax.jit(net.apply)(params, stats, frames)
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    x = frames.astype(np.float64)
    for i, stride in ((1, 2), (2, 1)):
        x = relu(conv(x, p[f"conv{i}"]["kernel"], stride, 0) + p[f"conv{i}"]["bias"])
    assert x.shape == (2, 7, 7, 12)
    head = p["head"]
    y = x.reshape(2, -1) @ head["linear"]["kernel"] + head["linear"]["bias"]
    y = standardised(y, -1) * head["norm"]["scale"] + head["norm"]["bias"]
    np.testing.assert_allclose(got, y, rtol=1e-4, atol=1e-4)

    convolutions = models.curl_encoder(width=12, layers=2, dim=None)
    shared = {k: v for k, v in params.items() if k != "head"}
    middle, _ = convolutions.apply(shared, {}, frames)
    np.testing.assert_allclose(middle, x, rtol=1e-4, atol=1e-4)
    head = models.curl_head(dim=5, tanh=True)
    state, _ = head.apply(params["head"], {}, middle)
    np.testing.assert_allclose(state, np.tanh(y), rtol=1e-4, atol=1e-4)


def test_curl_has_the_sizes_of_the_paper():
    frames = jax.ShapeDtypeStruct((1, 84, 84, 9), np.float32)
    params, _ = shapes(models.curl_encoder(), frames)
    assert params["head"]["linear"]["kernel"].shape == (35 * 35 * 32, 50)
    with pytest.raises(ValueError, match="layers is 0"):
        models.curl_encoder(layers=0)
