"""The networks of the first pretext tasks, against NumPy."""

import jax
import numpy as np
import pytest

from sslax import models
from tests.models.by_numpy import conv, relu
from tests.models.drawn import drawn

KEY = jax.random.key(0)


def shapes(net, *inputs):
    return jax.eval_shape(net.init, KEY, *inputs)


def in_float64(params, stats):
    stats = stats.get("batch_stats", {})
    return jax.tree.map(lambda a: np.asarray(a, np.float64), (params, stats))


def norm(x, stats):
    return (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)


def grouped(x, p, groups, **options):
    """Each group of inputs makes its group of outputs."""
    parts = zip(np.split(x, groups, -1), np.split(p["kernel"], groups, -1), strict=True)
    return np.concatenate([conv(a, k, **options) for a, k in parts], -1) + p["bias"]


def response(x):
    """Channels divided by a power of the mean square of five."""
    square = np.pad(x**2, ((0, 0), (0, 0), (0, 0), (2, 2)))
    mean = sum(square[..., i : i + x.shape[-1]] for i in range(5)) / 5
    return x / (1 + 1e-4 * mean) ** 0.75


def pool(x):
    """3x3, stride 2; the last window may hang over (Caffe's rule)."""
    x = np.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0)), constant_values=-np.inf)
    rows, columns = ((n - 2 - 3 + 1) // 2 + 1 for n in x.shape[1:3])
    return np.max(
        [
            x[:, i : i + 2 * rows : 2, j : j + 2 * columns : 2][:, :rows, :columns]
            for i in range(3)
            for j in range(3)
        ],
        axis=0,
    )


@pytest.mark.parametrize("groups", [1, 2])
def test_caffenet_follows_its_description(rng, groups):
    context = groups == 1
    options = (
        {"stride": 4, "padding": 5}
        if context
        else {"stride": 2, "padding": 0, "groups": 2, "norm": None, "init": "gauss"}
    )
    net = models.caffenet(
        widths=(4, 6, 8, 8, 6), hidden=5, output=("conv5", "map", "pooled"), **options
    )
    patches = 300 * rng.normal(size=(2, 43, 43, 3)).astype(np.float32)
    params, stats = drawn(net, patches)
    got, _ = jax.jit(net.apply)(params, stats, patches)
    p, s = in_float64(params, stats)
    x = conv(
        patches.astype(np.float64),
        p["conv1"]["kernel"],
        options["stride"],
        options["padding"],
    )
    x = response(pool(relu(x + p["conv1"]["bias"])))
    x = response(pool(relu(grouped(x, p["conv2"], groups))))
    for i in (3, 4, 5):
        x = grouped(x, p[f"conv{i}"], groups if i > 3 else 1)
        x = relu(norm(x, s[f"bn{i}"]) if context else x)
    np.testing.assert_allclose(got["conv5"], x, rtol=1e-4, atol=1e-4 * x.max())
    x = pool(x)
    np.testing.assert_allclose(got["map"], x, rtol=1e-4, atol=1e-4 * x.max())
    x = x.reshape(2, -1) @ p["fc6"]["kernel"] + p["fc6"]["bias"]
    x = relu(norm(x, s["bn6"]) if context else x)
    np.testing.assert_allclose(got["pooled"], x, rtol=1e-4, atol=1e-4 * x.max())
    assert set(s) == ({"bn3", "bn4", "bn5", "bn6"} if context else set())


def test_context_prediction_and_jigsaw_have_the_sizes_of_their_papers():
    tower = models.caffenet()
    params, _ = shapes(tower, np.zeros((1, 96, 96, 3), np.float32))
    # 96 pixels: 24, pooled 12, pooled 6, pooled 3 (Caffe's windows may hang over).
    assert params["fc6"]["kernel"].shape == (3 * 3 * 256, 4096)
    assert set(params["conv3"]) == {"kernel", "bias"}
    jigsaw = models.caffenet(
        hidden=1024, stride=2, padding=0, groups=2, norm=None, dropout=0.5, init="gauss"
    )
    params, stats = shapes(jigsaw, np.zeros((1, 64, 64, 3), np.float32))
    assert not stats
    assert params["conv2"]["kernel"].shape == (5, 5, 48, 256)
    counting = models.caffenet(response_norm=False, norm=None)
    params, stats = shapes(counting, np.zeros((1, 114, 114, 3), np.float32))
    assert params["fc6"]["kernel"].shape == (3 * 3 * 256, 4096)
    assert not stats
    head = models.caffenet_head(dim=1000, hidden=(4096,), norm=None, dropout=0.5)
    params, _ = shapes(head, np.zeros((1, 9 * 1024), np.float32))
    assert params["linear1"]["kernel"].shape == (9216, 4096)


def test_heads_and_starts(rng):
    head = models.caffenet_head(dim=3, hidden=(5, 4))
    x = rng.normal(size=(6, 7)).astype(np.float32)
    params, stats = drawn(head, x)
    got, _ = head.apply(params, stats, x)
    p, s = in_float64(params, stats)
    y = relu(norm(x @ p["linear1"]["kernel"] + p["linear1"]["bias"], s["bn1"]))
    y = relu(y @ p["linear2"]["kernel"] + p["linear2"]["bias"])
    y = y @ p["linear3"]["kernel"] + p["linear3"]["bias"]
    np.testing.assert_allclose(got, y, rtol=1e-4, atol=1e-5)

    wide = models.caffenet_head(dim=3, hidden=(400,), norm=None, init="gauss")
    start = jax.jit(lambda key: wide.init(key, x)[0])(KEY)
    assert 0.0045 < np.std(start["linear1"]["kernel"]) < 0.0055
    assert set(np.unique(start["linear1"]["bias"])) == {1.0}
    assert not start["linear2"]["bias"].any()
    for make in (models.caffenet, models.caffenet_head):
        given = {} if make is models.caffenet else {"dim": 2}
        with pytest.raises(ValueError, match=r"init must be one of .*; got 'he'"):
            make(init="he", **given)
        with pytest.raises(ValueError, match=r"norm must be one of .*; got 'batch'"):
            make(norm="batch", **given)


def test_exemplar_net_follows_its_description(rng):
    net = models.exemplar_net(widths=(3, 4, 5), hidden=6)
    patches = rng.normal(size=(2, 32, 32, 3)).astype(np.float32)
    params, stats = drawn(net, patches)
    got, _ = jax.jit(net.apply)(params, stats, patches)
    p, _ = in_float64(params, stats)
    x = patches.astype(np.float64)
    for i in (1, 2, 3):
        x = relu(conv(x, p[f"conv{i}"]["kernel"]) + p[f"conv{i}"]["bias"])
        x = pool(x) if i < 3 else x
    assert x.shape == (2, 8, 8, 5)
    x = relu(x.reshape(2, -1) @ p["fc4"]["kernel"] + p["fc4"]["bias"])
    np.testing.assert_allclose(got, x, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="expected three"):
        models.exemplar_net(widths=(64, 128))


def dilated(kernel):
    """A 3x3 kernel with zeros between."""
    out = np.zeros((5, 5, *kernel.shape[2:]))
    out[::2, ::2] = kernel
    return out


def doubled(x, p):
    """A transposed 4x4 convolution with stride 2, cropped by 1, as it is defined."""
    b, h, w, _ = x.shape
    out = np.zeros((b, 2 * h + 2, 2 * w + 2, p["kernel"].shape[-1]))
    for i in range(4):
        for j in range(4):
            out[:, i : i + 2 * h : 2, j : j + 2 * w : 2] += x @ p["kernel"][i, j]
    return out[:, 1:-1, 1:-1] + p["bias"]


def test_colorizer_follows_its_description(rng):
    names = ("conv2", "conv7", "conv8", "logits", "pooled")
    net = models.colorizer(bins=5, width=2, output=names)
    lightness = rng.normal(size=(2, 16, 24, 1)).astype(np.float32)
    params, stats = drawn(net, lightness)
    got, _ = jax.jit(net.apply)(params, stats, lightness)
    p, s = in_float64(params, stats)
    x = lightness.astype(np.float64)
    want = {}
    for i, count in enumerate((2, 2, 3, 3, 3, 3, 3), start=1):
        for j in range(1, count + 1):
            layer = p[f"conv{i}_{j}"]
            kernel = dilated(layer["kernel"]) if i in (5, 6) else layer["kernel"]
            stride = 2 if i <= 3 and j == count else 1
            x = relu(conv(x, kernel, stride) + layer["bias"])
        want[f"conv{i}"] = x = norm(x, s[f"bn{i}"])
    want["pooled"] = x.mean((1, 2))
    x = relu(doubled(x, p["conv8_1"]))
    for j in (2, 3):
        x = relu(conv(x, p[f"conv8_{j}"]["kernel"]) + p[f"conv8_{j}"]["bias"])
    want["conv8"] = x
    want["logits"] = x @ p["logits"]["kernel"][0, 0] + p["logits"]["bias"]
    for name in names:
        scale = np.abs(want[name]).max()
        np.testing.assert_allclose(got[name], want[name], rtol=1e-4, atol=1e-5 * scale)
    assert got["logits"].shape == (2, 4, 6, 5)
    image = np.zeros((1, 224, 224, 1), np.float32)
    params, _ = shapes(models.colorizer(), image)
    assert params["conv8_1"]["kernel"].shape == (4, 4, 512, 256)
    assert params["logits"]["kernel"].shape == (1, 1, 256, 313)
