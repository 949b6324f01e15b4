"""from_linen, dtypes, heads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from tests.models.drawn import drawn

KEY = jax.random.key(0)


def test_statistics_change_only_in_training_and_keep_their_form():
    net = models.mlp(hidden=6, dim=4)
    x = jax.random.normal(KEY, (8, 5))
    params, stats = drawn(net, x)
    assert set(stats) == {"batch_stats"}
    _, same = net.apply(params, stats, x)
    assert same is stats
    _, new = net.apply(params, stats, x, train=True)
    assert jax.tree.structure(new) == jax.tree.structure(stats)
    mean = (x @ params["linear1"]["kernel"]).mean(0)
    np.testing.assert_allclose(
        new["batch_stats"]["bn1"]["mean"],
        0.9 * stats["batch_stats"]["bn1"]["mean"] + 0.1 * mean,
        rtol=1e-5,
        atol=1e-6,
    )


def test_heads_of_the_literature_have_their_parameters():
    x = jnp.ones((4, 6))

    def shapes(**options):
        params, _ = jax.eval_shape(models.mlp(hidden=8, dim=4, **options).init, KEY, x)
        return {k: sorted(v) for k, v in params.items()}

    kernel, both = ["kernel"], ["bias", "kernel"]
    assert shapes(last_norm="scale", last_bias=False) == {
        "linear1": kernel,
        "bn1": ["bias", "scale"],
        "linear2": kernel,
        "bn2": ["scale"],
    }
    assert shapes(bias=True, last_bias=False) == {
        "linear1": both,
        "bn1": ["bias", "scale"],
        "linear2": kernel,
    }
    assert shapes(norm=None, bias=True) == {"linear1": both, "linear2": both}
    assert set(shapes(depth=3, last_norm="plain", last_bias=False)) == {
        *(f"linear{i}" for i in (1, 2, 3)),
        "bn1",
        "bn2",
    }


@pytest.mark.parametrize(
    ("init", "low", "high"),
    [
        ("normal", 0.0099, 0.0101),
        ("truncated", 0.0198, 0.0202),
        ("lecun", 0.0495, 0.0505),  # 1/sqrt(400)
        ("uniform", 0.0283, 0.0294),  # 1/sqrt(3*400)
        ("xavier", 0.0571, 0.0584),  # sqrt(2/(400+200))
        ("zeros", 0.0, 0.0),
    ],
)
def test_deviations_of_initial_kernels(init, low, high):
    net = models.linear(dim=200, init=init)
    params, _ = net.init(KEY, jnp.ones((1, 400)))
    layer = params["linear1"]
    assert low <= layer["kernel"].std() <= high
    if init == "uniform":
        assert 0.025 < layer["bias"].std() < 0.033
        assert jnp.abs(layer["bias"]).max() <= 0.05
    else:
        assert not layer["bias"].any()


def test_half_precision_is_computed_and_raised_at_the_end():
    x = jax.random.normal(KEY, (16, 32), jnp.float32)
    half, full = (models.mlp(hidden=64, dim=8, dtype=d) for d in ("bfloat16", None))
    params, stats = drawn(full, x)
    assert all(p.dtype == jnp.float32 for p in jax.tree.leaves(params))
    low, _ = half.apply(params, stats, x, train=True)
    high, _ = full.apply(params, stats, x, train=True)
    assert low.dtype == jnp.float32
    assert 0 < jnp.abs(low - high).max() < 0.05
    text = str(jax.make_jaxpr(lambda p: half.apply(p, stats, x)[0])(params))
    assert "bf16[16,64] = dot_general" in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.mlp(norm="layer"), "norm must be one of .*; got 'layer'"),
        (
            lambda: models.mlp(last_norm="affine"),
            "last_norm must be one of .*; got 'affine'",
        ),
        (lambda: models.mlp(depth=0), "depth is 0"),
        (
            lambda: models.linear(dim=3, dtype="int8"),
            "dtype must be one of .*; got 'int8'",
        ),
        (lambda: models.resnet(depth=20), "depth must be one of .*; got 20"),
        (lambda: models.resnet18(stem="small"), "stem must be one of .*; got 'small'"),
        (lambda: models.convnet(widths=(8,), strides=(1, 2)), "1 widths"),
        (lambda: models.vit(size="tall"), "size must be one of .*; got 'tall'"),
        (lambda: models.vit(width=100, heads=3), "nearest widths are 99 and 102"),
        (lambda: models.vit(pool="max"), "pool must be one of .*; got 'max'"),
        (lambda: models.vit(class_token=False), "pool='mean'"),
        (lambda: models.mae_decoder(width=100), "16 heads"),
        (lambda: models.nin(blocks=1), "blocks is 1"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_mistakes_that_show_at_the_call_are_named():
    image = jnp.zeros((2, 16, 16, 3))

    def init(net, *inputs):
        jax.eval_shape(net.init, KEY, *inputs)

    with pytest.raises(ValueError, match=r"init must be one of .*; got 'he'"):
        init(models.linear(dim=3, init="he"), image)
    with pytest.raises(ValueError, match=r"conv_impl must be one of .*; got 'fft'"):
        init(models.convnet(conv_impl="fft"), image)
    with pytest.raises(
        ValueError, match=r"'top' is unknown.*layer1, map, flat, pooled"
    ):
        init(models.convnet(widths=(4,), output="top"), image)
    vit = models.vit(size="tiny", depth=1, patch_size=5)
    with pytest.raises(ValueError, match="the nearest sizes are 15, 20"):
        init(vit, image)
    decoder = models.mae_decoder(width=16, heads=2, depth=1)
    with pytest.raises(ValueError, match="6 patches are not a grid"):
        init(decoder, jnp.zeros((1, 3, 8)), jnp.zeros((1, 6), jnp.int32))


def test_a_head_may_end_behind_a_hidden_layer():
    """What SimCLR v2 is fine-tuned from: the first layer with its norm and ReLU."""
    x = jax.random.normal(KEY, (6, 5))
    whole = models.mlp(hidden=4, dim=3, depth=3)
    params, stats = whole.init(KEY, x)
    cut = models.mlp(hidden=4, dim=3, depth=3, output="hidden1")
    found, _ = cut.init(KEY, x)
    assert sorted(found) == ["bn1", "linear1"]
    out, new = cut.apply(params, stats, x, train=True)
    y = x @ params["linear1"]["kernel"]
    y = (y - y.mean(0, keepdims=True)) / jnp.sqrt(y.var(0, keepdims=True) + 1e-5)
    np.testing.assert_allclose(out, jnp.maximum(y, 0), rtol=0, atol=1e-5)
    assert "bn1" in new["batch_stats"]
    with pytest.raises(ValueError, match=r"output must be one of .*; got 'hidden3'"):
        models.mlp(depth=3, output="hidden3")


def test_a_linear_layer_with_a_norm_in_front_and_a_deviation():
    x = 3 + 2 * jax.random.normal(KEY, (8, 500))
    net = models.linear(dim=400, init=2e-5, input_norm=True)
    params, stats = net.init(KEY, x)
    assert sorted(params) == ["linear1"]  # neither scale nor offset
    assert 1.9e-5 < params["linear1"]["kernel"].std() < 2.1e-5
    out, _ = net.apply(params, stats, x, train=True)
    normed = (x - x.mean(0, keepdims=True)) / jnp.sqrt(x.var(0, keepdims=True) + 1e-6)
    wanted = normed @ params["linear1"]["kernel"]
    np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.mlp(dim=0), "dim must be at least 1; got 0"),
        (lambda: models.mlp(hidden=-3), "hidden must be at least 1; got -3"),
        (lambda: models.linear(dim=-1), "dim must be at least 1; got -1"),
        (
            lambda: models.dino_head(bottleneck=0),
            "bottleneck must be at least 1; got 0",
        ),
    ],
)
def test_heads_have_a_width(make, message):
    with pytest.raises(ValueError, match=message):
        make()
