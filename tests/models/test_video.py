"""The (2+1)-D ResNet: size, and a block against NumPy."""

import jax
import numpy as np
import pytest

from sslax import models
from tests.models.by_numpy import batch_norm, conv, relu
from tests.models.drawn import drawn

KEY = jax.random.key(0)


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree))


def test_size_is_that_of_convolutions_in_three_dimensions():
    clip = jax.ShapeDtypeStruct((1, 8, 32, 32, 3), np.float32)
    params, _ = jax.eval_shape(models.video_resnet().init, KEY, clip)
    # By the choice of the channels between; torchvision's r3d_18 with 400 classes.
    assert (count(params) + 400 * 513) / 33_371_472 == pytest.approx(1.0, abs=1e-3)
    assert params["conv1"]["space"]["conv"]["kernel"].shape == (7, 7, 3, 45)
    assert params["layer2_0"]["conv1"]["time"]["kernel"].shape == (3, 230, 128)


def test_bottlenecks_halve_frames_and_sides():
    names = ("stem", "layer1", "map", "pooled")
    net = models.video_resnet(depth=50, width=0.125, output=names)
    clip = jax.ShapeDtypeStruct((2, 16, 64, 64, 2), np.float32)
    params, stats = jax.eval_shape(net.init, KEY, clip)
    out, _ = jax.eval_shape(net.apply, params, stats, clip)
    assert out["stem"].shape == (2, 16, 32, 32, 8)
    assert out["layer1"].shape == (2, 16, 32, 32, 32)
    assert out["map"].shape == (2, 2, 4, 4, 256)
    assert out["pooled"].shape == (2, 256)
    assert "time" in params["layer1_0"]["conv2"]
    assert "conv" in params["layer1_0"]["conv1"]
    with pytest.raises(ValueError, match="depth must be one of"):
        models.video_resnet(depth=101)


def spatial(x, kernel, stride=1):
    out = conv(x.reshape(-1, *x.shape[2:]), kernel, stride)
    return out.reshape(*x.shape[:2], *out.shape[1:])


def temporal(x, kernel, stride=1):
    x = np.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
    last = x.shape[1] - 2
    starts = range(0, last, stride)
    return np.stack([sum(x[:, t + i] @ kernel[i] for i in range(3)) for t in starts], 1)


def both(x, params, stats, stride=1, frames=None):
    x = spatial(x, params["space"]["conv"]["kernel"], stride)
    x = relu(batch_norm(x, params["bn"], stats["bn"]))
    return temporal(x, params["time"]["kernel"], frames or stride)


def block(x, params, stats, stride):
    y = both(x, params["conv1"], stats["conv1"], stride)
    y = relu(batch_norm(y, params["bn1"], stats["bn1"]))
    y = both(y, params["conv2"], stats["conv2"])
    y = batch_norm(y, params["bn2"], stats["bn2"])
    if stride > 1:
        x = spatial(x[:, ::stride], params["shortcut_conv"]["conv"]["kernel"], stride)
        x = batch_norm(x, params["shortcut_bn"], stats["shortcut_bn"])
    return relu(x + y)


def test_convolutions_of_space_and_time_follow_their_formulas(rng):
    net = models.video_resnet(width=1 / 16, output=("stem", "layer1", "layer2"))
    clip = rng.normal(size=(2, 5, 12, 12, 3)).astype(np.float32)
    params, stats = drawn(net, clip)
    got, _ = jax.jit(net.apply)(params, stats, clip)
    params, stats = jax.tree.map(
        lambda a: np.asarray(a, np.float64), (params, stats["batch_stats"])
    )
    x = both(clip.astype(np.float64), params["conv1"], stats["conv1"], 2, frames=1)
    x = relu(batch_norm(x, params["bn1"], stats["bn1"]))
    np.testing.assert_allclose(got["stem"], x, rtol=1e-4, atol=1e-4)
    for stage in (1, 2):
        for j in (0, 1):
            name, stride = f"layer{stage}_{j}", 2 if (stage, j) == (2, 0) else 1
            x = block(x, params[name], stats[name], stride)
        np.testing.assert_allclose(got[f"layer{stage}"], x, rtol=1e-4, atol=1e-3)
    assert got["layer2"].shape == (2, 3, 3, 3, 8)


def test_sound_goes_into_a_resnet():
    spectrogram = jax.ShapeDtypeStruct((2, 96, 64, 1), np.float32)
    net = models.resnet50(width=0.125, output=("map", "pooled"))
    params, stats = jax.eval_shape(net.init, KEY, spectrogram)
    out, _ = jax.eval_shape(net.apply, params, stats, spectrogram)
    assert out["map"].shape == (2, 3, 2, 256)


def test_a_decoder_turns_channels_into_blocks(rng):
    """A linear layer makes the grid; each cell of it becomes a block of 2 x 2 x 2."""
    net = models.clip_decoder(width=4, stages=1)
    features = rng.normal(size=(2, 5)).astype(np.float32)
    like = np.zeros((2, 3, 4, 2, 3), np.float32)  # three frames: the fourth is cut off
    params, stats = net.init(KEY, features, like)
    made, _ = net.apply(params, stats, features, like)
    params = jax.tree.map(np.asarray, params)
    grid = relu(features @ params["grid"]["kernel"] + params["grid"]["bias"])
    cells = grid.reshape(2, 2, 2, 1, 4) @ params["up1"]["kernel"]
    cells = (cells + params["up1"]["bias"]).reshape(2, 2, 2, 1, 2, 2, 2, 3)
    assert made.shape == like.shape
    for time, row, column in np.ndindex(like.shape[1:4]):
        cell = cells[:, time // 2, row // 2, column // 2]
        wanted = cell[:, time % 2, row % 2, column % 2]
        np.testing.assert_allclose(made[:, time, row, column], wanted, atol=1e-5)
