"""Laws that hold for any input: symmetries, invariances and known limits."""

import chex
import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslax import losses

B, D = 6, 5
# One shape for all draws, so that every function compiles once.
hypothesis.settings.register_profile(
    "losses", deadline=None, max_examples=15, derandomize=True
)
hypothesis.settings.load_profile("losses")

seeds = st.integers(0, 2**31 - 1)
temperatures = st.floats(0.0625, 2.0, width=32)


def draw(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def supcon(z1, z2, *, temperature):
    labels = jnp.arange(z1.shape[0])
    return losses.supcon(jnp.stack([z1, z2], 1), labels, temperature=temperature)


def clip(z1, z2, *, temperature):
    return losses.clip(z1, z2, -jnp.log(temperature))


def debiased(z1, z2, *, temperature, tau_plus=0.1):
    options = {"temperature": temperature, "tau_plus": tau_plus}
    return losses.debiased_nt_xent(z1, z2, **options)


def hard(z1, z2, *, temperature, tau_plus=0.1, beta=1.0):
    options = {"temperature": temperature, "tau_plus": tau_plus, "beta": beta}
    return losses.hard_negative_nt_xent(z1, z2, **options)


def moco_v3(z1, z2, *, temperature):
    return losses.moco_v3(z1, z2, z1, z2, temperature=temperature)


def unmoved(function):
    return lambda z1, z2, *, temperature: function(z1, z2)


SYMMETRIC = {
    "clip": clip,
    "cosine_regression": unmoved(losses.cosine_regression),
    "debiased_nt_xent": debiased,
    "flat_nce": losses.flat_nce,
    "hard_negative_nt_xent": hard,
    "invaspread": losses.invaspread,
    "moco_v3": moco_v3,
    "negative_cosine": unmoved(losses.negative_cosine),
    "nt_xent": losses.nt_xent,
    "supcon": supcon,
}
SCALE_FREE = {**SYMMETRIC, "info_nce": losses.info_nce}
EXCHANGEABLE = {
    **SCALE_FREE,
    "barlow_twins": unmoved(losses.barlow_twins),
    "vicreg": unmoved(losses.vicreg),
    "alignment": unmoved(losses.alignment),
    "uniformity": unmoved(lambda z1, z2: losses.uniformity(z1)),
}


@jax.jit
def all_of(z1, z2, temperature):
    return {
        name: f(z1, z2, temperature=temperature) for name, f in EXCHANGEABLE.items()
    }


def agree(first, second, names, rtol=2e-4):
    for name in names:
        assert first[name] == pytest.approx(second[name].item(), rel=rtol, abs=2e-4), (
            name
        )


@given(seeds, temperatures)
def test_order_views_and_scale_do_not_matter(seed, temperature):
    z1, z2 = draw(seed, B, D), draw(seed + 1, B, D)
    temperature = jnp.float32(temperature)
    here = all_of(z1, z2, temperature)
    order = np.random.default_rng(seed).permutation(B)
    agree(here, all_of(z1[order], z2[order], temperature), EXCHANGEABLE)
    symmetric = [*SYMMETRIC, "barlow_twins", "vicreg", "alignment"]
    agree(here, all_of(z2, z1, temperature), symmetric)
    scale = jnp.exp(draw(seed + 2, B, 1))
    agree(here, all_of(scale * z1, z2 / scale, temperature), SCALE_FREE)


@jax.jit
def limits(z1, z2, temperature):
    options = {"temperature": temperature}
    return {
        "nt_xent": losses.nt_xent(z1, z2, **options),
        "debiased": debiased(z1, z2, **options),
        "debiased, tau 0": debiased(z1, z2, **options, tau_plus=0.0),
        "hard, beta 0": hard(z1, z2, **options, beta=0.0),
        "supcon": supcon(z1, z2, **options),
        "clip": clip(z1, z2, **options),
        "both ways": (
            losses.info_nce(z1, z2, **options) + losses.info_nce(z2, z1, **options)
        )
        / 2,
        "moco_v3": moco_v3(z1, z2, **options) / (4 * temperature),
    }


@given(seeds, temperatures)
def test_known_limits(seed, temperature):
    out = limits(draw(seed, B, D), draw(seed + 1, B, D), jnp.float32(temperature))
    pairs = {
        "debiased, tau 0": "nt_xent",
        "hard, beta 0": "debiased",
        "supcon": "nt_xent",
        "both ways": "clip",
        "moco_v3": "clip",
    }
    for left, right in pairs.items():
        assert out[left] == pytest.approx(out[right].item(), rel=1e-5, abs=1e-6), left


@jax.jit
def flat_gradients(z1, z2):
    options = {"temperature": 0.5}

    def log_odds(z):
        terms = losses.nt_xent(z, z2, **options, reduction="none")
        return jnp.mean(jnp.log(jnp.expm1(terms)))

    flat = jax.value_and_grad(lambda z: losses.flat_nce(z, z2, **options))(z1)
    return flat, losses.nt_xent(z1, z2, **options), jax.grad(log_odds)(z1)


@given(seeds)
def test_flat_nce_has_the_value_of_nt_xent_and_the_gradient_of_the_log_odds(seed):
    z1, z2 = draw(seed, B, D), draw(seed + 1, B, D)
    (value, gradient), plain, expected = flat_gradients(z1, z2)
    assert value == pytest.approx(plain.item(), rel=1e-6)
    chex.assert_trees_all_close(gradient, expected, atol=2e-5)


def test_flat_nce_goes_on_where_nt_xent_has_stopped():
    z = jnp.eye(4) + 0.01 * draw(0, 4, 4)
    other = jnp.eye(4)
    size = {
        function: jnp.linalg.norm(
            jax.grad(lambda z, f=function: f(z, other, temperature=0.01))(z)
        )
        for function in (losses.flat_nce, losses.nt_xent)
    }
    assert size[losses.nt_xent] < 1e-20
    assert size[losses.flat_nce] > 1


@given(seeds, st.floats(0.03125, 1.0, width=32))
def test_sinkhorn_marginals(seed, epsilon):
    scores = losses.unit(draw(seed, 8, 4))
    few = losses.sinkhorn(scores, epsilon=jnp.float32(epsilon))
    chex.assert_trees_all_close(few.sum(1), jnp.ones(8), atol=1e-5)
    many = losses.sinkhorn(scores, epsilon=jnp.float32(1.0), iterations=100)
    chex.assert_trees_all_close(many.sum(1), jnp.ones(8), atol=1e-5)
    chex.assert_trees_all_close(many.sum(0), jnp.full(4, 2.0), atol=1e-4)


@given(seeds)
def test_cosine_losses_are_one_another(seed):
    p, t = draw(seed, B, D), draw(seed + 1, B, D)
    regression = losses.cosine_regression(p, t)
    chex.assert_trees_all_close(
        regression, 2 + 2 * losses.negative_cosine(p, t), atol=1e-5
    )
    aligned = losses.alignment(losses.unit(p), losses.unit(t))
    chex.assert_trees_all_close(regression, aligned, atol=1e-5)


@chex.variants(with_jit=True, without_jit=True)
def _variant(self):
    """Losses are the same traced and not traced."""
    z1, z2 = draw(1, B, D), draw(2, B, D)
    value = self.variant(lambda a, b: losses.nt_xent(a, b, temperature=0.5))(z1, z2)
    a, b = np.asarray(losses.unit(z1)), np.asarray(losses.unit(z2))
    x = np.concatenate([a, b])
    logits = x @ x.T / 0.5
    np.fill_diagonal(logits, -np.inf)
    positive = np.concatenate([np.sum(a * b, 1)] * 2) / 0.5
    expected = np.mean(np.log(np.exp(logits).sum(1)) - positive)
    assert value == pytest.approx(expected, rel=1e-5)


class TestVariants(chex.TestCase):
    test_nt_xent_by_hand = _variant


def test_uniformity_keeps_the_digits_of_a_tight_cluster():
    """Distances from inner products of the points themselves would be noise here."""
    cluster = losses.unit(jnp.ones((1, D)) + 1e-4 * draw(3, B, D))
    x = np.asarray(cluster, np.float64)
    squares = ((x[:, None] - x[None]) ** 2).sum(-1)[np.triu_indices(B, 1)]
    expected = np.log(np.mean(np.exp(-1e5 * squares)))
    value = losses.uniformity(cluster, t=1e5)
    assert value == pytest.approx(expected, rel=2e-3)


def test_invaspread_keeps_the_digits_of_a_dominant_negative():
    """One negative has P = 1 - 5e-9 here: log(1 - P) of float32 would be -inf."""
    z1 = losses.unit(jnp.eye(3, 4) + jnp.array([[0, 0.99, 0, 0], [0] * 4, [0] * 4]))
    z2 = losses.unit(jnp.array([[0.0, 0, 0, 1], [0, 1, 0, 0.1], [0, 0, 1, 0.1]]))
    value = losses.invaspread(z1, z2, temperature=0.03)
    x = np.concatenate([z1, z2]).astype(np.float64)
    e = np.exp(x @ x.T / 0.03)
    np.fill_diagonal(e, 0)
    total = e.sum(1)
    partner = np.arange(6) - 3
    terms = np.log(total) - np.log(e[np.arange(6), partner])
    for i in range(6):
        for j in set(range(6)) - {i, int(partner[i]) % 6}:
            terms[i] -= np.log((total[i] - e[i, j]) / total[i])
    assert value == pytest.approx(terms.mean(), rel=1e-4)


def test_no_positive_pair_counts_as_zero():
    x = draw(5, 1, 1, 2, D)
    nothing = jnp.zeros((1, 2, 2), bool)
    assert losses.pix_pro(x, x, nothing) == 0
    assert losses.pix_contrast(x, x, nothing) == 0
    assert losses.pix_contrast(x, x, ~nothing) == 0
    alone = losses.supcon(x[0].swapaxes(0, 1), jnp.arange(2), temperature=0.1)
    assert alone == 0


def test_a_flipped_crop_has_the_same_places():
    box = jnp.array([[0.1, 0.2, 0.7, 0.9]])
    flipped = box[:, jnp.array([2, 1, 0, 3])]
    straight = losses.pixel_positives(box, box, size=(3, 4), ratio=0.5)
    turned = losses.pixel_positives(box, flipped, size=(3, 4), ratio=0.5)
    assert np.array_equal(straight[0], np.eye(12, dtype=bool))
    mirror = np.arange(12).reshape(3, 4)[:, ::-1].ravel()
    assert np.array_equal(turned[0][:, mirror], np.eye(12, dtype=bool))


def test_scores_of_a_bank_do_not_depend_on_how_large_it_is():
    """All products with a small bank, gathered rows of a large one."""
    x, bank = losses.unit(draw(1, B, D)), losses.unit(draw(2, 9, D))
    index = jnp.asarray(np.random.default_rng(0).integers(0, 9, (B, 4)))
    large = jnp.concatenate([bank, jnp.ones((4 * 4 * D, D))])
    few, many = (
        losses.bank_scores(x, rows, index, temperature=0.2) for rows in (bank, large)
    )
    chex.assert_trees_all_close(few, many, rtol=1e-5, atol=1e-6)
    softmax = losses.nonparametric_softmax
    whole, part = (
        softmax(x, rows, index[:, 0], temperature=0.2, size=9) for rows in (bank, large)
    )
    chex.assert_trees_all_close(whole, part, rtol=1e-6)


def test_cmc_with_three_views():
    views = [losses.unit(draw(seed, B, D)) for seed in (1, 2, 3)]
    banks = [losses.unit(draw(seed, 9, D)) for seed in (4, 5, 6)]
    index = jnp.asarray(np.random.default_rng(0).integers(0, 9, (B, 4)))

    def term(i, j):
        scores = losses.bank_scores(views[i], banks[j], index, temperature=0.2)
        return losses.info_nce_logits(scores)

    full = losses.cmc(views, banks, index, temperature=0.2)
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    chex.assert_trees_all_close(full, sum(term(i, j) for i, j in pairs), rtol=1e-6)
    core = losses.cmc(views, banks, index, temperature=0.2, core=True)
    expected = sum(term(i, j) for i, j in pairs if 0 in (i, j))
    chex.assert_trees_all_close(core, expected, rtol=1e-6)
