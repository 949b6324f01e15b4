"""The forms of attention: equal, chosen by platform, split with the batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo as cudnn

from sslax import models, platforms, sharding
from sslax.models import _attention
from sslax.models._attention import attend, form_of
from sslax.models._flash import flash

KEY = jax.random.key(0)
TOY = {"width": 16, "depth": 2, "heads": 2, "patch_size": 4}


def inputs(b=1, n=130, h=2, d=8, dtype=jnp.float32):
    keys = jax.random.split(KEY, 4)
    return [jax.random.normal(key, (b, n, h, d), dtype) for key in keys]


def shape(n, d=64, dtype=jnp.bfloat16, b=8):
    return jax.ShapeDtypeStruct((b, n, 2, d), dtype)


@pytest.fixture
def with_cudnn(monkeypatch):
    """As where JAX finds cuDNN, which this machine need not have."""
    monkeypatch.setattr(_attention, "_cudnn", lambda: True)
    monkeypatch.setattr(cudnn, "check_cudnn_version", lambda: 91000)


def value_and_gradients(form, q, k, v, g):
    def both(q, k, v):
        out, back = jax.vjp(form, q, k, v)
        return out, *back(g)

    return jax.jit(both)(q, k, v)


@pytest.mark.parametrize(("dtype", "near"), [("float32", 2e-6), ("bfloat16", 2**-7)])
def test_the_kernel_equals_the_plain_form(dtype, near):
    given = inputs(dtype=dtype)
    got = value_and_gradients(lambda *x: flash(*x, interpret=True), *given)
    for ours, plain in zip(got, value_and_gradients(attend, *given), strict=True):
        assert ours.dtype == dtype
        ours, plain = np.float32(ours), np.float32(plain)
        np.testing.assert_allclose(ours, plain, rtol=near, atol=near)


@pytest.mark.parametrize("n", [4, 5])
def test_the_key_added_for_cudnn_is_seen_by_none(n, monkeypatch):
    given, original, lengths = inputs(n=n), jax.nn.dot_product_attention, []

    def called(q, *rest, implementation, **options):
        assert implementation == "cudnn"
        lengths.append(q.shape[1])
        return original(q, *rest, **options)

    wanted = value_and_gradients(attend, *given)
    monkeypatch.setattr(jax.nn, "dot_product_attention", called)
    form = lambda q, k, v: _attention._with_cudnn(q, k, v, None)  # noqa: E731
    for ours, plain in zip(value_and_gradients(form, *given), wanted, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-6, atol=1e-6)
    assert set(lengths) == {n + n % 2}


@pytest.mark.parametrize(
    ("platform", "q", "bias", "form"),
    [
        ("cpu", shape(1025), None, "xla"),
        ("onnx", shape(1025), None, "xla"),
        ("all", shape(1025), None, "xla"),
        ("gpu", shape(50), None, "cudnn"),
        ("gpu", shape(50, dtype=jnp.float32), None, "xla"),
        ("gpu", shape(50, d=136), None, "xla"),
        ("gpu", shape(50, d=20), None, "xla"),
        ("gpu", shape(50), 0.0, "xla"),
        ("tpu", shape(_attention.LONG), None, "flash"),
        ("tpu", shape(_attention.LONG, dtype=jnp.float32), None, "flash"),
        ("tpu", shape(_attention.LONG - 1), None, "xla"),
        ("tpu", shape(1025), 0.0, "xla"),
        ("tpu", shape(1025, dtype=jnp.float16), None, "xla"),
    ],
)
def test_auto_by_platform(platform, q, bias, form, with_cudnn):
    def chosen():
        with jax.sharding.use_abstract_mesh(sharding.make_mesh().abstract_mesh):
            return form_of("auto", q, bias)

    assert platforms.traced_for(platform, chosen)() == form


def test_auto_is_plain_where_a_kernel_cannot_be(monkeypatch):
    monkeypatch.setattr(_attention, "_cudnn", lambda: False)
    for platform in ("gpu", "tpu"):  # no cuDNN; several devices and no word of a mesh
        assert platforms.traced_for(platform, form_of)("auto", shape(1025)) == "xla"


@pytest.mark.parametrize(
    ("form", "platform", "q", "bias", "why"),
    [
        ("fast", "cpu", shape(8), None, "attention must be one of 'auto', 'xla'"),
        ("cudnn", "tpu", shape(8), None, "is for GPUs, and this is traced for tpu"),
        ("cudnn", "gpu", shape(8, dtype=jnp.float32), None, "bfloat16 or float16, got"),
        ("cudnn", "gpu", shape(8, d=20), None, "channels, these have 20"),
        ("cudnn", "gpu", shape(8), 0.0, "'cudnn' takes no bias .* or 'xla' here"),
        ("flash", "cpu", shape(8), None, "is for TPUs, and this is traced for cpu"),
        ("flash", "tpu", shape(8, dtype=jnp.float64), None, "or float32, got float64"),
        ("flash", "tpu", shape(8, d=20), None, "channels, these have 20"),
        ("flash", "tpu", shape(8), 0.0, "'flash' takes no bias .* or 'xla' here"),
    ],
)
def test_an_impossible_form_is_an_error(form, platform, q, bias, why, with_cudnn):
    with jax.enable_x64(True), pytest.raises(ValueError, match=why):
        platforms.traced_for(platform, form_of)(form, q, bias)


def test_no_cudnn_and_no_such_form_are_errors(monkeypatch):
    monkeypatch.setattr(_attention, "_cudnn", lambda: False)
    with pytest.raises(ValueError, match="CUDA plugin, not found"):
        platforms.traced_for("gpu", form_of)("cudnn", shape(8))
    for net in (models.vit, models.swin, models.convmae_encoder):
        with pytest.raises(ValueError, match="attention must be one of"):
            net(attention="fast")


def lowered(platform, function, *args):
    """The program of a function for another platform, traced in the mesh of a step."""
    mesh = sharding.make_mesh()

    def placed(*args):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(*args)

    where = sharding.batch_sharding(mesh)
    args = [jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where) for x in args]
    traced = jax.jit(platforms.traced_for(platform, placed)).trace(*args)
    return traced.lower(lowering_platforms=(platform,)).as_text()


def test_each_device_computes_its_own_images():
    q = shape(384, b=16)
    text = lowered("tpu", lambda q: attend(q, q, q), q)
    calls = [line for line in text.splitlines() if "@tpu_custom_call" in line]
    assert len(calls) == 1
    assert "tensor<2x2x64x384xbf16>" in calls[0]  # two of sixteen images
    assert "tpu_custom_call" not in lowered("tpu", lambda q: attend(q, q, q), shape(50))


def test_images_that_devices_do_not_divide_are_computed_whole():
    def traced(q):
        return lowered("tpu", lambda: attend(q, q, q))

    assert "tensor<3x2x64x384xbf16>" in traced(jnp.zeros((3, 384, 2, 64), jnp.bfloat16))


@pytest.mark.parametrize("options", [{}, {"remat": True, "scan": True}])
def test_the_kernels_train_in_blocks(options, with_cudnn):
    image = jax.ShapeDtypeStruct((8, 8, 8, 3), jnp.bfloat16)

    def gradients(form):
        net = models.vit(**TOY, attention=form, dtype="bfloat16", **options)

        def loss(params, image):
            return net.apply(params, {}, image)[0].sum()

        def whole(image):
            return jax.grad(loss)(net.init(KEY, image)[0], image)

        return whole

    assert lowered("tpu", gradients("flash"), image).count("@tpu_custom_call") >= 2
    traced = platforms.traced_for("gpu", jax.make_jaxpr(gradients("auto")))(image)
    assert "dot_product_attention_bwd" in str(traced)
