"""ResNets and the small nets: sizes, outputs, initial function."""

import jax
import jax.numpy as jnp
import numpy as np

from sslax import models
from tests.models.drawn import drawn

KEY = jax.random.key(0)


def shapes(net, *inputs):
    return jax.eval_shape(net.init, KEY, *inputs)


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree))


def test_outputs_have_the_sizes_of_their_stages():
    image = jnp.zeros((2, 64, 64, 3))
    names = ("stem", "layer1", "layer4", "map", "pooled")
    for stem, stride in (("imagenet", 4), ("cifar", 1)):
        net = models.resnet50(stem=stem, width=0.25, output=names)
        out, _ = jax.eval_shape(net.apply, *shapes(net, image), image)
        assert out["stem"].shape == (2, 64 // stride, 64 // stride, 16)
        assert out["layer1"].shape == (2, 64 // stride, 64 // stride, 64)
        assert out["layer4"].shape == (2, 8 // stride, 8 // stride, 512)
        assert out["pooled"].shape == (2, 512)
    nin = models.nin(output=("conv1", "conv2", "pooled"))
    image = jnp.zeros((2, 32, 32, 3))
    out, _ = jax.eval_shape(nin.apply, *shapes(nin, image), image)
    assert out["conv1"].shape == (2, 16, 16, 96)
    assert out["conv2"].shape == (2, 8, 8, 192)
    assert out["pooled"].shape == (2, 192)


def test_zero_init_makes_every_residual_branch_silent():
    net = models.resnet18(stem="cifar", width=1 / 16, output=("stem", "layer1", "map"))
    image = jax.random.normal(KEY, (4, 8, 8, 3))
    params, stats = jax.jit(net.init)(KEY, image)
    out, _ = jax.jit(net.apply, static_argnames="train")(
        params, stats, image, train=True
    )
    np.testing.assert_array_equal(out["layer1"], out["stem"])
    for stage, block in ((1, 0), (2, 0), (4, 1)):
        layer = params[f"layer{stage}_{block}"]
        assert not layer["bn2"]["scale"].any()
        assert layer["bn1"]["scale"].all()
    kernel = params["layer4_1"]["conv1"]["kernel"]
    assert 0.9 < kernel.std() / np.sqrt(2 / (9 * 32)) < 1.1  # torch's fan out


def test_convnet_pools_its_map_and_strides():
    net = models.convnet(widths=(4, 6, 8), output=("layer1", "map", "pooled"))
    image = jax.random.normal(KEY, (2, 12, 12, 1))
    params, stats = drawn(net, image)
    out, _ = jax.jit(net.apply)(params, stats, image)
    assert out["layer1"].shape == (2, 12, 12, 4)
    assert out["map"].shape == (2, 3, 3, 8)
    np.testing.assert_allclose(out["pooled"], out["map"].mean((1, 2)), rtol=1e-6)


def test_alexnet_counts_are_the_published_ones_and_rotnet_has_norms():
    image = jnp.zeros((1, 224, 224, 3))
    params, stats = shapes(models.alexnet(norm=None), image)
    assert count(params) == 61_100_840 - 4_097_000
    assert not stats
    params, stats = shapes(models.alexnet(), image)
    assert set(stats["batch_stats"]) == {f"bn{i}" for i in range(1, 8)}
    assert set(params["fc6"]) == set(params["conv1"]) == {"kernel"}


def test_small_alexnet_is_that_of_64_pixels():
    image = jnp.zeros((2, 64, 64, 3))
    params, stats = shapes(models.small_alexnet(), image)
    assert params["fc6"]["kernel"].shape == (192 * 7 * 7, 4096)
    assert set(params["fc7"]) == set(params["conv1"]) == {"kernel"}
    assert set(stats["batch_stats"]) == {f"bn{i}" for i in range(1, 8)}
    net = models.small_alexnet(widths=(8,) * 5, hidden=64)
    params, _ = net.init(KEY, image)
    for layer in ("conv2", "fc6", "fc7"):
        assert 0.018 < params[layer]["kernel"].std() < 0.022
