"""Block by block: the same numbers as the plain form, in a fraction of the memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses

COUNT, WIDTH = 13, 6
Z1, Z2 = (
    jnp.asarray(np.random.default_rng(seed).normal(size=(COUNT, WIDTH)), jnp.float32)
    for seed in (1, 2)
)
NEGATIVES = jnp.asarray(
    np.random.default_rng(3).normal(size=(COUNT, 4, WIDTH)), jnp.float32
)
U1, U2 = losses.unit(Z1), losses.unit(Z2)
T = {"temperature": 0.2}

BLOCKED = {
    "barlow_twins": (losses.barlow_twins, (Z1, Z2), {}),
    "clip": (losses.clip, (Z1, Z2, jnp.float32(2.0)), {}),
    "debiased_nt_xent": (losses.debiased_nt_xent, (Z1, Z2), {**T, "tau_plus": 0.1}),
    "flat_nce": (losses.flat_nce, (Z1, Z2), T),
    "hard_negative_nt_xent": (
        losses.hard_negative_nt_xent,
        (Z1, Z2),
        {**T, "tau_plus": 0.1, "beta": 1.0},
    ),
    "info_nce": (losses.info_nce, (Z1, Z2), T),
    "info_nce (own negatives)": (losses.info_nce, (Z1, Z2, NEGATIVES), T),
    "info_nce (queue)": (losses.info_nce, (Z1, Z2, NEGATIVES[:, 0]), T),
    "invaspread": (losses.invaspread, (U1, U2), T),
    "moco_v3": (losses.moco_v3, (Z1, Z2, Z2, Z1), T),
    "nt_xent": (losses.nt_xent, (Z1, Z2), T),
    "nt_xent (queue)": (losses.nt_xent, (Z1, Z2, NEGATIVES[:5, 0]), T),
    "siglip": (losses.siglip, (Z1, Z2, jnp.float32(2.0), jnp.float32(-1.0)), {}),
    "supcon": (
        lambda z1, z2, **options: losses.supcon(
            jnp.stack([z1, z2], 1), jnp.arange(COUNT) % 4, **options
        ),
        (Z1, Z2),
        T,
    ),
    "supcon (first)": (
        lambda z1, z2, **options: losses.supcon(
            jnp.stack([z1, z2], 1), jnp.arange(COUNT) % 4, anchors="first", **options
        ),
        (Z1, Z2),
        T,
    ),
    "uniformity": (losses.uniformity, (Z1,), {}),
}


def evaluate(block_size):
    def run(trees):
        out = {}
        for name, (function, _, options) in BLOCKED.items():
            arrays = trees[name]

            def loss(arrays, function=function, options=options):
                return function(*arrays, **options, block_size=block_size)

            out[name] = jax.value_and_grad(loss)(arrays)
        return out

    trees = {name: arrays for name, (_, arrays, _) in BLOCKED.items()}
    return jax.jit(run)(trees)


@pytest.fixture(scope="module")
def plain():
    return evaluate(None)


@pytest.mark.parametrize("block_size", [4, 64])
def test_equal_to_the_plain_form(plain, block_size):
    for name, (value, gradients) in evaluate(block_size).items():
        expected, expected_gradients = plain[name]
        assert value == pytest.approx(expected.item(), rel=2e-6, abs=1e-6), name
        for got, wanted in zip(gradients, expected_gradients, strict=True):
            scale = max(np.max(np.abs(wanted)), 1e-3)
            assert np.max(np.abs(got - wanted)) <= 5e-6 * scale, name


def temporary_bytes(count, block_size):
    shape = jax.ShapeDtypeStruct((count, 16), jnp.float32)

    def loss(z1, z2):
        return losses.nt_xent(z1, z2, temperature=0.1, block_size=block_size)

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).lower(shape, shape)
    return compiled.compile().memory_analysis().temp_size_in_bytes


def test_the_matrix_is_never_whole():
    assert temporary_bytes(2048, 64) < 0.1 * temporary_bytes(2048, None)


def test_block_size_must_be_positive():
    with pytest.raises(ValueError, match="block_size must be 1 or more, got 0"):
        losses.nt_xent(Z1, Z2, temperature=0.1, block_size=0)
