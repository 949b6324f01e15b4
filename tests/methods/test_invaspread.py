"""InvaSpread: arXiv:1904.03436, equations 3 to 7, with the released gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models
from tests.methods.following import dense, equal, flat, follow, linear, unit

BATCH, T = 4, 0.3


def embeddings(params, batch):
    projector = params["projector"]["linear1"]
    rows = [dense(flat(view, params["encoder"]), projector) for view in batch["views"]]
    return unit(np.concatenate(rows))


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_anchors_learn_to_be_their_image_and_none_of_the_others(rng, weight):
    method = methods.invaspread(linear(5), dim=3, temperature=T, negative_weight=weight)
    held = {}

    def loss(params, extra, batch):
        anchors = embeddings(params, batch)
        # What anchors are compared with stays as it was where the parameters move.
        keys = held.setdefault(id(batch), anchors)
        e, total = np.exp(anchors @ keys.T / T), 0.0
        for i in range(2 * BATCH):
            partner = (i + BATCH) % (2 * BATCH)
            others = [j for j in range(2 * BATCH) if j not in (i, partner)]
            scale = e[i, partner] + weight * e[i, others].sum()
            total -= np.log(e[i, partner] / scale)
            total -= weight * np.log(1 - e[i, others] / scale).sum()
        return total / (2 * BATCH)

    views = rng.normal(size=(3, 2, BATCH, 2, 2, 3))
    follow(method, [{"views": tuple(pair)} for pair in views], loss)


def test_both_views_share_one_pass_and_its_statistics(rng):
    """Whichever comes first: of two passes, the last would count more."""
    method = methods.invaspread(models.convnet(widths=(2,)), dim=3)
    views = tuple(jnp.asarray(rng.normal(size=(2, BATCH, 4, 4, 1))))
    params, extra = method.init(jax.random.key(0), {"views": views})

    @jax.jit
    def run(*views):
        value, aux = method.objectives["ssl"].loss(
            params, extra, {"views": views}, key=jax.random.key(1), step=0
        )
        return value, aux.extra

    equal(run(*views), run(*views[::-1]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": -0.1}, "temperature must be positive.*got -0.1"),
        ({"negative_weight": 0.5}, "negative_weight must be 1.*got 0.5"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        methods.invaspread(linear(5), **wrong)


def test_a_batch_of_one_image_or_one_view_is_refused():
    method, view = methods.invaspread(linear(5)), jnp.ones((1, 2, 2, 3))
    with pytest.raises(ValueError, match="2 or more rows"):
        method.init(jax.random.key(0), {"views": (view, view)})
    with pytest.raises(ValueError, match="takes 2 views of an image; got 1"):
        method.init(jax.random.key(0), {"views": (view,)})
