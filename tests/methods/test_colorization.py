"""Colorization: arXiv:1603.08511, equations 2 to 5."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, losses, methods, models, views
from sslax.core import Net
from tests.methods.following import follow, trace

CENTRES = np.array([[0, 0], [40, 0], [0, 40], [-40, 10], [10, -40]], np.float64)
PRIOR = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
OPTIONS = {"neighbours": 3, "sigma": 20.0, "uniform": 0.25, "alpha": 2.0}


def blocks(x):
    """Squares of 2 x 2 pixels as vectors."""
    b, h, w, _ = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2).swapaxes(2, 3).reshape(b, h // 2, -1, 4)


def stub(bins=5):
    """A matrix on every square; its logits are of a grid of half the side."""

    def init(key, x):
        return {"w": jax.random.normal(key, (4, bins))}, {}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del train, key, order
        logits = blocks(x) @ params["w"]
        return {"pooled": logits.mean(axis=(1, 2)), "logits": logits}, stats

    return Net(init, apply, ("pooled", "logits"))


def method(**options):
    tables = {"centres": CENTRES, "prior": PRIOR}
    return methods.colorization(stub(), **{**tables, **OPTIONS, **options})


def pictures(rng, count=3):
    return {
        "views": (rng.uniform(-0.5, 0.5, (count, 4, 6, 1)),),
        "ab": rng.uniform(-60, 60, (count, 2, 3, 2)),
        "weight": np.array([1.0, 0.0, 1.0])[:count],
    }


def codes(ab):
    """Shares of the three nearest bins."""
    out = np.zeros((*ab.shape[:-1], len(CENTRES)))
    for place in np.ndindex(ab.shape[:-1]):
        square = ((ab[place] - CENTRES) ** 2).sum(axis=1)
        nearest = np.argsort(square)[:3]
        share = np.exp(-square[nearest] / (2 * 20.0**2))
        out[place][nearest] = share / share.sum()
    return out


def entropies(params, batch):
    """Cross-entropy of every pixel, and what it counts for."""
    logits = blocks(batch["views"][0]) @ params["encoder"]["w"]
    code = codes(batch["ab"])
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    rare = (0.75 * PRIOR + 0.25 / len(PRIOR)) ** -2.0
    rare = rare / (PRIOR @ rare)
    counts = rare[code.argmax(axis=-1)] * batch["weight"][:, None, None]
    return -(code * log_p).sum(axis=-1), counts


def loss(params, extra, batch):
    """Pixels are summed, images averaged; what is reported has no weights."""
    del extra
    values, _ = entropies(params, batch)
    return values.sum() / len(values)


def rebalanced(params, extra, batch):
    """What is descended: rare colours count for more, grey images for nothing."""
    del extra
    values, counts = entropies(params, batch)
    return (values * counts).sum() / len(values)


def test_three_steps_descend_the_rebalanced_loss(rng):
    batches = [pictures(rng) for _ in range(3)]
    for step in follow(method(), batches, loss, slope=rebalanced):
        params, batch = step.before.params, step.batch
        wanted = rebalanced(params, {}, batch)
        np.testing.assert_allclose(step.metrics["ssl/rebalanced"], wanted, 1e-9)
        code = codes(batch["ab"])
        least = -(code * np.log(np.maximum(code, 1e-300))).sum() / len(code)
        off = step.metrics["ssl/loss"] - least
        np.testing.assert_allclose(step.metrics["ssl/divergence"], off, 1e-7)
        logits = blocks(batch["views"][0]) @ params["encoder"]["w"]
        right = (logits.argmax(axis=-1) == code.argmax(axis=-1)).mean()
        np.testing.assert_allclose(step.metrics["ssl/accuracy"], right, 1e-6)
        np.testing.assert_allclose(step.after.extra["centres"], CENTRES)


def test_a_picture_is_painted_in_the_colours_that_are_told(rng):
    """Where the logits leave no doubt, its colours are the centre's; grey has none."""
    image = jnp.full((1, 8, 8, 3), 0.5)
    batch = views.lab(view=views.center(size=8), stride=2)(None, {"image": image})
    told = method()
    _, extra = told.init(jax.random.key(0), batch)
    sign = jnp.sign(batch["views"][0].mean())  # of lightness less 50
    params = {"encoder": {"w": jnp.zeros((4, 5)).at[:, 1].set(100.0 * sign)}}
    made = told.outputs["pictures"](params, extra, batch, key=None)
    grey, painted, asked = made.values()
    np.testing.assert_allclose(grey, image, atol=1e-3)
    np.testing.assert_allclose(asked, image, atol=1e-3)
    lab = np.asarray(augment.rgb_to_lab(painted))
    wanted = np.broadcast_to(CENTRES[1], (1, 8, 8, 2))
    np.testing.assert_allclose(lab[..., 1:], wanted, atol=0.5)


def test_what_does_not_fit_is_told_before_the_first_step(rng, tmp_path):
    with pytest.raises(ValueError, match=r"must give 'logits' by name"):
        methods.colorization(models.colorizer())
    with pytest.raises(ValueError, match=r"temperature must be positive .* got 0"):
        method(temperature=0)
    with pytest.raises(ValueError, match=r"neighbours must be in \[1, 5\]; got 6"):
        method(neighbours=6)
    with pytest.raises(ValueError, match=r"need their prior"):
        method(prior=None)
    with pytest.raises(ValueError, match=r"got \(5, 2\) and \(4,\)"):
        method(prior=PRIOR[:4])
    with pytest.raises(ValueError, match=r"sums to 1.5"):
        method(prior=PRIOR + 0.1)
    batch = pictures(rng)
    with pytest.raises(ValueError, match=r"batch\['weight'\], which views.lab gives"):
        trace(method(), {"views": batch["views"]})
    with pytest.raises(ValueError, match=r"the stride of views.lab must be that"):
        trace(method(), {**batch, "ab": batch["ab"][:, :1]})
    fewer = methods.colorization(stub(bins=4), centres=CENTRES, prior=PRIOR, **OPTIONS)
    with pytest.raises(ValueError, match="as many logits as there are bins"):
        trace(fewer, batch)
    for name, table in (("centres", CENTRES), ("prior", PRIOR)):
        np.save(tmp_path / f"{name}.npy", table)
    files = {name: str(tmp_path / f"{name}.npy") for name in ("centres", "prior")}
    _, extra = method(**files).init(jax.random.key(0), jax.device_put(batch))
    np.testing.assert_allclose(extra["centres"], CENTRES)


def test_a_prior_of_other_data_is_what_its_docstring_says(rng):
    """The share of the nearest bins, smoothed."""
    ab = jnp.asarray(rng.choice(CENTRES, (2, 4, 4), p=PRIOR))
    nearest = augment.nearest_centre(ab, jnp.asarray(CENTRES))
    share = np.bincount(nearest.ravel(), minlength=5) / 32
    prior = losses.smooth_prior(share, CENTRES)
    assert method(prior=np.asarray(prior)).outputs
