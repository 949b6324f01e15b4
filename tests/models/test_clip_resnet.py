"""CLIP's residual network against NumPy, from its description."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from tests.models.by_numpy import batch_norm, conv, relu
from tests.models.drawn import drawn

KEY = jax.random.key(0)
SMALL = {"dim": 6, "stages": (2, 1, 1, 1), "width": 4, "heads": 4}


def halved(x):
    """Means of 2x2."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


def normed(x, i, params, stats, stride=1):
    """A convolution, its norm and ReLU."""
    x = conv(x, params[f"conv{i}"]["kernel"], stride)
    return relu(batch_norm(x, params[f"bn{i}"], stats[f"bn{i}"]))


def block(x, params, stats, stride):
    y = normed(normed(x, 1, params, stats), 2, params, stats)
    y = halved(y) if stride == 2 else y
    y = conv(y, params["conv3"]["kernel"])
    y = batch_norm(y, params["bn3"], stats["bn3"])
    if "shortcut_conv" in params:
        x = halved(x) if stride == 2 else x
        x = conv(x, params["shortcut_conv"]["kernel"])
        x = batch_norm(x, params["shortcut_bn"], stats["shortcut_bn"])
    return relu(x + y)


def attended(x, params, heads):
    """(pooled, unprojected): the mean asks itself and all places."""
    x = x.reshape(len(x), -1, x.shape[-1])
    x = np.concatenate([x.mean(1, keepdims=True), x], axis=1) + params["pos_embed"]
    q, k, v = (x @ params[n]["kernel"] + params[n]["bias"] for n in ("q", "k", "v"))
    out = []
    for part in np.split(np.arange(x.shape[-1]), heads):
        logits = k[..., part] @ q[:, 0, part, None] / np.sqrt(len(part))
        weights = np.exp(logits - logits.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        out.append((weights * v[..., part]).sum(1))
    out = np.concatenate(out, axis=-1)
    return out @ params["proj"]["kernel"] + params["proj"]["bias"], out


def test_network_follows_its_description(rng):
    names = ("stem", "layer1", "map", "mean", "unprojected", "pooled")
    net = models.clip_resnet(**SMALL, output=names)
    image = rng.normal(size=(2, 64, 64, 3)).astype(np.float32)
    params, stats = drawn(net, jnp.asarray(image))
    got, _ = jax.jit(net.apply)(params, stats, jnp.asarray(image))
    p, s = jax.tree.map(lambda a: np.asarray(a, np.float64), (params, stats))
    s = s["batch_stats"]
    x = normed(image.astype(np.float64), 1, p, s, stride=2)
    x = halved(normed(normed(x, 2, p, s), 3, p, s))
    want = {"stem": x}
    for i, depth in enumerate(SMALL["stages"], start=1):
        for j in range(depth):
            name = f"layer{i}_{j}"
            x = block(x, p[name], s[name], 2 if i > 1 and j == 0 else 1)
        want[f"layer{i}"] = x
    want |= {"map": x, "mean": x.mean((1, 2))}
    want["pooled"], want["unprojected"] = attended(x, p["attention"], 4)
    for name in names:
        scale = np.abs(want[name]).max()
        np.testing.assert_allclose(got[name], want[name], atol=2e-6 * scale, rtol=2e-5)


def test_positions_are_resized_for_other_images():
    net = models.clip_resnet(**SMALL)
    params, stats = jax.eval_shape(net.init, KEY, jnp.zeros((1, 64, 64, 3)))
    assert params["attention"]["pos_embed"].shape == (1, 5, 128)
    out, _ = jax.eval_shape(net.apply, params, stats, jnp.zeros((2, 96, 64, 3)))
    assert out.shape == (2, 6)


def test_heads_are_of_64_channels_and_divide_the_width():
    with pytest.raises(ValueError, match="7 heads do not divide the width 128"):
        models.clip_resnet(**{**SMALL, "heads": 7})
    narrow = (
        models.clip_resnet(**{**SMALL, "heads": None}),
        models.clip_resnet(**{**SMALL, "heads": 2}),
    )
    image = jnp.asarray(np.random.default_rng(0).normal(size=(1, 32, 32, 3)), "float32")
    given = drawn(narrow[0], image)
    ours, twos = (jax.jit(net.apply)(*given, image)[0] for net in narrow)
    np.testing.assert_array_equal(ours, twos)
