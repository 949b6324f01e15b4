"""CPC: arXiv:1807.03748, equations 3 and 4, section 3.2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models
from sslax.core import Net
from tests.methods.following import flat, follow, linear, trace

BATCH, ROWS, COLUMNS, DIM, SEEN = 3, 5, 5, 4, 3
STEPS, SKIP, NOISE = 2, 1, 6


def sums(dim):
    """A context of one matrix over the sum of a row and those above."""

    def init(key, z):
        return {"w": 0.3 * jax.random.normal(key, (z.shape[-1], dim))}, {}

    def apply(params, stats, z, *, train=False, key=None, order=None):
        del train, key, order
        return jnp.cumsum(z, axis=1) @ params["w"], stats

    return Net(init, apply)


def made(**options):
    sizes = {"steps": STEPS, "skip": SKIP}
    return methods.cpc(linear(DIM), sums(SEEN), **(sizes | options))


def codes_of(params, batch):
    patches = batch["views"][0]
    codes = flat(patches.reshape(-1, *patches.shape[3:]), params["encoder"])
    return codes.reshape(*patches.shape[:3], -1)


def clockwise(z):
    """Column w becomes row w, read from the lowest place up."""
    return z[:, ::-1].transpose(0, 2, 1, 3)


def drawn(rng, directions, steps=3):
    """Batches with negatives for each direction and step; the own code may be one."""
    batches = []
    for _ in range(steps):
        left = [ROWS - k - SKIP for k in range(1, STEPS + 1)]
        batches.append(
            {
                "views": (rng.normal(size=(BATCH, ROWS, COLUMNS, 2, 2, 1)),),
                "negatives": [
                    [
                        rng.integers(0, BATCH * n * COLUMNS, (BATCH, n, COLUMNS, NOISE))
                        for n in left
                    ]
                    for _ in range(directions)
                ],
            }
        )
    return batches


def told(query, own, others, epsilon):
    scores = np.array([query @ z for z in (own, *others)])
    return -np.log(np.exp(scores[0]) / np.exp(scores).sum() + epsilon)


def definition(params, batch, directions, *, noise):
    """The mean over all that is predicted, step by step; every step weighs the same."""
    z, values = codes_of(params, batch), []
    for i in range(directions):
        z = clockwise(z) if i else z
        c = np.cumsum(z, axis=1) @ params["context"]["w"]
        for k in range(1, STEPS + 1):
            form, below = params["predictor"]["forms"][i, k - 1], z[:, k + SKIP :]
            every, terms = below.reshape(-1, DIM), []
            for b, r, w in np.ndindex(below.shape[:3]):
                query = form @ c[b, r, w]
                if noise:
                    others = every[batch["negatives"][i][k - 1][b, r, w]]
                    terms.append(told(query, below[b, r, w], others, 1e-11))
                else:
                    place = (b, r + k + SKIP, w)
                    others = [z[p] for p in np.ndindex(z.shape[:3]) if p != place]
                    terms.append(told(query, z[place], others, 0.0))
            values.append(np.mean(terms))
    return np.mean(values)


@pytest.mark.parametrize("directions", [1, 3])
def test_codes_further_down_are_told_from_drawn_ones(rng, directions):
    def loss(params, extra, batch):
        return definition(params, batch, directions, noise=True)

    method = made(negatives=NOISE, directions=directions)
    steps = follow(method, drawn(rng, directions), loss)
    forms = steps[0].before.params["predictor"]["forms"]
    assert forms.shape == (directions, STEPS, DIM, SEEN)
    assert 0.4 < np.abs(forms).max() <= 0.5  # as torch starts 1x1 convolutions of DIM


def test_without_noise_they_are_told_from_all_codes_of_the_batch(rng):
    def loss(params, extra, batch):
        return definition(params, batch, 2, noise=False)

    follow(made(directions=2), drawn(rng, 2, steps=2), loss)


def value_of(method, patches, seed=0, **more):
    """The loss of a batch at parameters that are drawn."""
    batch = {"views": (jnp.asarray(patches),), **more}
    params, extra = method.init(jax.random.key(1), batch)
    loss = method.objectives["ssl"].loss
    return float(loss(params, extra, batch, key=jax.random.key(seed), step=0)[0])


def test_rows_that_share_pixels_with_the_context_are_left_out(rng):
    """Of three rows the first predicts the last, among codes of the last."""
    method = made(steps=1, negatives=NOISE)
    patches = rng.normal(size=(BATCH, 3, COLUMNS, 2, 2, 1))
    other = patches.copy()
    other[:, 1] = 9.0
    assert value_of(method, patches) == value_of(method, other)
    assert value_of(method, patches) != value_of(method, patches, seed=1)
    patches[:, 2] = 0.5
    assert value_of(method, patches) == pytest.approx(np.log(1 + NOISE), rel=1e-6)
    every = value_of(made(steps=1), patches)
    assert every != pytest.approx(np.log(BATCH * 3 * COLUMNS), rel=1e-3)


def test_a_sequence_is_a_grid_of_one_column(rng):
    """The first rows alone tell of the last; what lies between would give it away."""
    context = models.gru_context(width=SEEN)
    method = methods.cpc(linear(DIM), context, steps=2, skip=0)
    rows = rng.normal(size=(BATCH, 4, 1, 2, 8, 1))
    batch = {"views": (jnp.asarray(rows),)}
    params, extra = method.init(jax.random.key(1), batch)
    out, _ = method.objectives["ssl"].parts.embed(
        params, extra, batch, key=jax.random.key(0), step=0
    )
    ((codes,), (contexts,)) = out
    assert (codes.shape, contexts.shape) == ((BATCH, 4, 1, DIM), (BATCH, 4, 1, SEEN))
    forms, every = params["predictor"]["forms"][0], codes.reshape(-1, DIM)
    values = []
    for k in (1, 2):
        queries = contexts[:, : 4 - k, 0] @ forms[k - 1].T  # [b rows d]
        scores = jax.nn.log_softmax(queries @ every.T, axis=-1)
        own = jnp.add.outer(4 * jnp.arange(BATCH), jnp.arange(k, 4))
        values.append(-jnp.take_along_axis(scores, own[..., None], -1).mean())
    assert value_of(method, rows) == pytest.approx(np.mean(values), rel=1e-5)


def test_features_are_the_mean_code_of_the_grid(rng):
    method, batch = made(), jax.device_put(drawn(rng, 1, steps=1)[0])
    params, extra = method.init(jax.random.key(0), batch)
    key = jax.random.key(0)
    z = codes_of(jax.device_get(params), batch)
    maps = method.outputs["map"](params, extra, batch, key=key)
    np.testing.assert_allclose(maps, z, rtol=1e-4, atol=1e-5)
    features = method.outputs["features"](params, extra, batch, key=key)
    np.testing.assert_allclose(features, z.mean((1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, "steps must be positive and finite; got 0"),
        ({"skip": -1}, "skip must be 0 or more; got -1"),
        ({"negatives": 0}, "negatives must be positive and finite; got 0"),
        ({"directions": 5}, "directions must be one of 1, 2, 3, 4; got 5"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        made(**wrong)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 8, 8, 3)], "patches must have 6 axes"),
        ([(2, 3, 5, 2, 2, 1)], "need 4 or more rows of patches; got 3: .* or 1 steps"),
        ([(2, 5, 3, 2, 2, 1)], "need 4 or more rows of patches; got 3"),  # turned
        ([(2, 5, 5, 2, 2, 1)] * 2, "takes 1 views of an image; got 2"),
    ],
)
def test_what_only_the_batch_shows_is_said_before_the_first_step(shapes, message):
    with pytest.raises(ValueError, match=message):
        trace(made(directions=2), {"views": tuple(map(jnp.zeros, shapes))})
