"""dVAE: arXiv:2102.12092, section 2.1 and appendix A."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses, methods, models, schedules
from sslax.core import Net
from tests.methods import following
from tests.methods.following import follow

SIDE, CELL, WORDS = 4, 2, 3
GRID = SIDE // CELL
BETA, WARM = 0.7, 2
COOL = {"start": 1.0, "end": 0.5, "steps": 2}


def encoder():
    """A matrix over the pixels of each cell."""

    def init(key, image):
        return {"w": jax.random.normal(key, (CELL * CELL * image.shape[-1], WORDS))}, {}

    def apply(params, stats, image, *, train=False, key=None):
        del train, key
        cells = image.reshape(len(image), GRID, CELL, GRID, CELL, -1)
        cells = cells.transpose(0, 1, 3, 2, 4, 5).reshape(len(image), GRID, GRID, -1)
        return cells @ params["w"], stats

    return Net(init, apply)


def decoder(channels):
    """A matrix from words to what every pixel of a cell has."""

    def init(key, words):
        return {"w": jax.random.normal(key, (words.shape[-1], channels))}, {}

    def apply(params, stats, words, *, train=False, key=None):
        del train, key
        painted = words @ params["w"]
        return painted.repeat(CELL, axis=1).repeat(CELL, axis=2), stats

    return Net(init, apply)


def noise_of(step, shape):
    """What the step of a run draws: the keys are those of `train_step`."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(2), step), 1)
    key = jax.random.split(key, 3)[0]
    return np.asarray(jax.random.gumbel(key, shape, jnp.float64))


def batches(rng):
    return [
        {
            "views": (rng.uniform(size=(3, SIDE, SIDE, 1)),),
            "noise": noise_of(step, (3, GRID, GRID, WORDS)),
            "temperature": np.full(3, (1.0, 0.75, 0.5)[step]),
            "weight": np.full(3, BETA * min(step / WARM, 1.0)),
        }
        for step in range(3)
    ]


def softmax(x):
    x = np.exp(x - x.max())
    return x / x.sum()


def negative_bound(params, extra, batch):
    """Of whole images: all pixels of each, and the words of all its cells."""
    del extra
    total = []
    for image, noise, temperature, weight in zip(
        batch["views"][0],
        batch["noise"],
        batch["temperature"],
        batch["weight"],
        strict=True,
    ):
        pixels, value = 0.1 + 0.8 * image, 0.0
        for i, j in np.ndindex(GRID, GRID):
            rows, columns = (slice(CELL * k, CELL * (k + 1)) for k in (i, j))
            cell = pixels[rows, columns].ravel()
            scores = cell @ params["encoder"]["w"]
            drawn = softmax((scores + noise[i, j]) / temperature)
            painted = drawn @ params["decoder"]["w"]
            q = softmax(scores)
            value += weight * np.sum(q * np.log(q * WORDS))
            for x in cell:
                value += minus_log_density(x, painted)
        total.append(value / pixels.size)
    return np.mean(total)


def minus_log_density(x, painted):
    """Laplace of the logit, times the slope of the logit; or the squared error."""
    if len(painted) == 1:
        return (x - painted[0]) ** 2
    scale = np.exp(painted[1])
    logit = np.log(x / (1 - x))
    laplace = np.exp(-abs(logit - painted[0]) / scale) / (2 * scale)
    return -np.log(laplace / (x * (1 - x)))


def method(channels, **options):
    options = {
        "temperature": schedules.ramp(**COOL),
        "kl_weight": schedules.ramp(start=0.0, end=BETA, steps=WARM),
        "momentum": 0.5,
        **options,
    }
    return methods.dvae(encoder(), decoder(channels), **options)


@pytest.mark.parametrize("channels", [2, 1])
def test_three_steps_follow_the_bound(rng, channels):
    """With the temperature and the weight of each step; the average follows."""
    steps = follow(method(channels), batches(rng), negative_bound)
    before = steps[0].before.params
    average = before
    for step in steps:
        average = jax.tree.map(
            lambda a, b: (a + b) / 2, average, dict(step.after.params)
        )
        following.equal(step.after.extra["teacher"], average)
        assert 1 <= step.metrics["ssl/words"] <= WORDS


def test_as_it_cools_a_draw_becomes_a_word_and_words_are_what_is_evaluated(rng):
    """Pictures are painted from one word a cell, and features count them softly."""
    dvae = method(2, temperature=1e-3)
    batch = jax.device_put(batches(rng)[0])
    params, extra = dvae.init(jax.random.key(0), batch)
    read = {
        kind: output(params, extra, batch, key=None)
        for kind, output in dvae.outputs.items()
    }
    pixels = np.asarray(losses.map_pixels(batch["views"][0]))
    scores = np.asarray(encoder().apply(params["encoder"], {}, pixels)[0])
    np.testing.assert_allclose(read["map"], scores, rtol=1e-6)
    shares = np.mean(
        [[softmax(x) for x in s.reshape(-1, WORDS)] for s in scores], axis=1
    )
    np.testing.assert_allclose(read["features"], shares, rtol=1e-6)
    means = np.asarray(params["decoder"]["w"])[:, 0]
    colour = np.clip((1 / (1 + np.exp(-means)) - 0.1) / 0.8, 0, 1)
    painted = colour[scores.argmax(-1)].repeat(CELL, 1).repeat(CELL, 2)[..., None]
    np.testing.assert_allclose(read["pictures"]["painted"], painted, rtol=1e-6)
    np.testing.assert_array_equal(read["pictures"]["image"], batch["views"][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive and finite; got 0"),
        ({"kl_weight": -1.0}, "kl_weight must be 0 or more; got -1"),
        ({"momentum": 2.0}, r"momentum must be in \[0, 1\]; got 2"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        method(2, **options)


def test_a_decoder_of_other_pictures_is_found_before_the_first_step():
    batch = {"views": (jnp.ones((2, SIDE, SIDE, 1)),)}
    with pytest.raises(ValueError, match=r"\(4, 4, 3\).*must be.*2 \(means"):
        following.trace(method(3), batch)
    nets = models.dvae_encoder(width=4, depth=1), models.dvae_decoder(width=4, depth=2)
    with pytest.raises(ValueError, match=r"paints \(8, 8, 3\) of images \(4, 4, 1\)"):
        following.trace(methods.dvae(*nets), batch)
