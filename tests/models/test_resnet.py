"""The ResNet family: published sizes, and the variants against NumPy."""

import jax
import numpy as np
import pytest

from sslax import models
from tests.models.by_numpy import batch_norm as norm
from tests.models.by_numpy import conv, relu
from tests.models.drawn import drawn

KEY = jax.random.key(0)
IMAGE = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
# For programs that run once: compiled in half the time.
SELECTIVE = {"stem": "deep", "shortcut": "pool_always", "selective": 0.0625}


def shapes(net, *inputs):
    return jax.eval_shape(net.init, KEY, *inputs)


def count(tree):
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(tree))


def multiplications(jaxpr):
    """Multiplications in the convolutions and matrix products of a jaxpr."""
    total = 0
    for equation in jaxpr.eqns:
        outs = np.prod(equation.outvars[0].aval.shape, dtype=int)
        if equation.primitive.name == "conv_general_dilated":
            total += outs * np.prod(equation.invars[1].aval.shape[:-1], dtype=int)
        elif equation.primitive.name == "dot_general":
            (axes, _), _ = equation.params["dimension_numbers"]
            total += outs * np.prod([equation.invars[0].aval.shape[a] for a in axes])
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", None)
            total += multiplications(inner) if hasattr(inner, "eqns") else 0
    return int(total)


# Millions of variables in table 1 of arXiv:2006.10029, running statistics included.
SIMCLR_V2 = [
    (50, 1, False, 24),
    (50, 1, True, 35),
    (50, 2, True, 140),
    (101, 2, True, 257),
    (152, 2, False, 233),
    (152, 3, True, 795),
]


@pytest.mark.parametrize(("depth", "width", "selective", "millions"), SIMCLR_V2)
def test_sizes_of_simclr_v2(depth, width, selective, millions):
    options = SELECTIVE if selective else {}
    net = models.resnet(depth=depth, width=width, **options)
    assert round(count(shapes(net, IMAGE)) / 1e6) == millions


@pytest.mark.parametrize(
    ("depth", "width", "millions"), [(50, 2, 94), (50, 4, 375), (200, 1, 63)]
)
def test_wide_and_deep_sizes(depth, width, millions):
    params, _ = shapes(models.resnet(depth=depth, width=width), IMAGE)
    assert round(count(params) / 1e6) == millions


def test_resnet_d_has_the_published_size():
    params, _ = shapes(models.resnet50(stem="deep", shortcut="pool"), IMAGE)
    assert count(params) == 25_576_264 - 2_049_000  # timm's resnet50d


def cost(net):
    """(parameters, multiplications at 224 pixels), from shapes alone."""
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), np.float32)
    params, stats = shapes(net, image)
    jaxpr = jax.make_jaxpr(lambda p, s, x: net.apply(p, s, x)[0])(params, stats, image)
    return count(params), multiplications(jaxpr.jaxpr)


@pytest.mark.parametrize(
    ("depth", "published", "billions"),  # as torchvision states them
    [
        (18, 11_689_512, 1.814),
        (34, 21_797_672, 3.664),
        (50, 25_557_032, 4.089),
        (101, 44_549_160, 7.801),
        (152, 60_192_808, 11.514),
    ],
)
def test_parameters_and_multiplications_are_the_published_ones(
    depth, published, billions
):
    size, work = cost(models.resnet(depth=depth, conv_impl="lax"))
    features = 512 if depth < 50 else 2048
    assert size + 1000 * features + 1000 == published  # with the classifier
    assert round((work + 1000 * features) / 1e9, 3) == billions


def test_the_stride_on_the_1x1_costs_what_he_et_al_state():
    size, work = cost(models.resnet50(stride_on="1x1", conv_impl="lax"))
    assert size == 25_557_032 - 2_049_000
    assert 3.8 <= work / 1e9 < 3.9


def halved(x):
    """Means of 2x2."""
    return x.reshape(x.shape[0], x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).mean(
        (2, 4)
    )


def neighbours(x):
    """Means with the next row and column, of what is inside."""
    ones = np.pad(np.ones((*x.shape[:3], 1)), ((0, 0), (0, 1), (0, 1), (0, 0)))
    x = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    total, inside = (
        a[:, :-1, :-1] + a[:, 1:, :-1] + a[:, :-1, 1:] + a[:, 1:, 1:] for a in (x, ones)
    )
    return total / inside


def selected(x, params, stats, stride):
    """The two streams of SimCLR v2, by the words of its code."""
    x = relu(norm(conv(x, params["conv"]["kernel"], stride), params["bn"], stats["bn"]))
    first, second = np.split(x, 2, axis=-1)
    y = (first + second).mean((1, 2), keepdims=True) @ params["squeeze"]["kernel"][0, 0]
    y = relu(norm(y, params["squeeze_bn"], stats["squeeze_bn"]))
    one, two = np.split(y @ params["mix"]["kernel"][0, 0], 2, axis=-1)
    share = np.exp(one) / (np.exp(one) + np.exp(two))
    return first * share + second * (1 - share)


def block(x, params, stats, stride):
    y = relu(norm(conv(x, params["conv1"]["kernel"]), params["bn1"], stats["bn1"]))
    y = selected(y, params["selective"], stats["selective"], stride)
    y = norm(conv(y, params["conv3"]["kernel"]), params["bn3"], stats["bn3"])
    if "shortcut_conv" in params:
        x = conv(
            halved(x) if stride == 2 else neighbours(x),
            params["shortcut_conv"]["kernel"],
        )
        x = norm(x, params["shortcut_bn"], stats["shortcut_bn"])
    return relu(x + y)


def test_selective_kernels_follow_simclr_v2(rng):
    names = ("stem", "layer1", "layer2")
    net = models.resnet50(width=1 / 16, output=names, **SELECTIVE)
    image = rng.normal(size=(2, 16, 16, 3)).astype(np.float32)
    params, stats = drawn(net, image)
    got, _ = jax.jit(net.apply)(params, stats, image)
    params, stats = jax.tree.map(
        lambda a: np.asarray(a, np.float64), (params, stats["batch_stats"])
    )
    x = image.astype(np.float64)
    for i, stride in enumerate((2, 1, 1), start=1):
        x = conv(x, params[f"conv{i}"]["kernel"], stride)
        x = relu(norm(x, params[f"bn{i}"], stats[f"bn{i}"]))
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # zero is below what ReLU gives
    x = np.max(
        [x[:, i : i + 7 : 2, j : j + 7 : 2] for i in range(3) for j in range(3)], 0
    )
    np.testing.assert_allclose(got["stem"], x, rtol=1e-4, atol=1e-5)
    for stage, depth in ((1, 3), (2, 4)):
        for j in range(depth):
            name = f"layer{stage}_{j}"
            stride = 2 if stage == 2 and j == 0 else 1
            x = block(x, params[name], stats[name], stride)
        np.testing.assert_allclose(got[f"layer{stage}"], x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"depth": 50, "stem": "wide"},
            "stem must be one of 'imagenet', 'deep', 'cifar'; got 'wide'",
        ),
        ({"depth": 50, "stride_on": "7x7"}, "stride_on must be one of .*; got '7x7'"),
        ({"depth": 50, "shortcut": "none"}, "shortcut must be one of .*; got 'none'"),
        (
            {"depth": 18, "selective": 0.1},
            "from depth 50; depth is 18",
        ),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        models.resnet(**options)
