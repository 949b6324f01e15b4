"""SigLIP: arXiv:2303.15343, equation 2."""

import jax
import jax.numpy as jnp
import numpy as np

from sslax import methods
from tests.methods.following import follow, linear
from tests.methods.test_clip import BATCH, bag, batches, cosines


def loss(params, extra, batch):
    """Every pair is a yes or a no of its own; the learned bias moves all logits."""
    del extra
    scale, bias = np.exp(params["scale"]["log_scale"]), params["scale"]["bias"]
    logits = scale * cosines(params, batch) + bias
    signs = 2 * np.eye(BATCH) - 1
    return np.log1p(np.exp(-signs * logits)).sum() / BATCH


def test_three_steps_of_all_pairs(rng):
    method = methods.siglip(
        linear(5), bag(3), projector=linear(3), scale=3.0, bias=-1.0
    )
    steps = follow(method, batches(rng), loss)
    assert steps[0].metrics["ssl/bias"] == -1.0


def test_a_pair_counts_the_same_beside_whatever_others(rng):
    """The loss of a batch is that of its parts and of the pairs between them."""
    method = methods.siglip(linear(3), bag(3), scale=2.0, bias=-1.0)
    views, text = rng.normal(size=(6, 1, 1, 3)), rng.integers(0, 7, (6, 2))
    batch = {"views": (jnp.asarray(views, jnp.float32),), "text": jnp.asarray(text)}
    params, extra = method.init(jax.random.key(0), batch)

    def of(images, texts):
        part = {"views": (batch["views"][0][images],), "text": batch["text"][texts]}
        one = method.objectives["ssl"].loss
        return len(images) * float(
            one(params, extra, part, key=jax.random.key(0), step=0)[0]
        )

    read = {
        name: method.outputs[name](params, extra, batch, key=None)
        for name in ("image", "text")
    }
    logits = np.asarray(read["image"] @ read["text"].T) - 1.0
    first, last = np.arange(3), np.arange(3, 6)
    between = np.concatenate([logits[:3, 3:].ravel(), logits[3:, :3].ravel()])
    whole = of(np.arange(6), np.arange(6))
    parts = of(first, first) + of(last, last) + np.log1p(np.exp(between)).sum()
    np.testing.assert_allclose(whole, parts, rtol=1e-5)
