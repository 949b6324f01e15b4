"""Jigsaw clustering: arXiv:2104.00323, equations 1 to 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models, sharding, views
from tests.methods.following import (
    cells,
    cross_entropy,
    dense,
    follow,
    mlp,
    trace,
    unit,
)

TEMPERATURE, BASE = 0.4, 0.1
OPTIONS = {"temperature": TEMPERATURE, "base_temperature": BASE}
OPTIONS |= {"cluster_weight": 0.5, "location_weight": 2.0}


def jigclu(dim=3):
    return methods.jigsaw_clustering(cells(5), hidden=6, dim=dim, **OPTIONS)


def lines(old, new=8):
    """Lines of `old` places as `new` by straight lines between their middles."""
    at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.array([np.interp(at, np.arange(old), row) for row in np.eye(old)]).T


def parts(montages, params):
    """Top left, top right, bottom left and bottom right of each map of 8 x 8."""
    maps = montages @ params["encoder"]["w"]
    tall, wide = (lines(n) for n in montages.shape[1:3])
    maps = np.einsum("ih,jw,bhwd->bijd", tall, wide, maps)
    halves = [np.s_[:4], np.s_[4:]]
    return [
        m[top, left].mean(axis=(0, 1))
        for m in maps
        for top in halves
        for left in halves
    ]


def loss(params, extra, batch):
    """Every part finds the three others of its image, and its place among four."""
    del extra
    vectors = np.stack(parts(batch["views"][0], params))
    z = unit(mlp(vectors, params["projector"]))
    y = dense(vectors, params["location"]["linear1"])
    number = batch["permute"].reshape(-1)
    count = len(number) // 4
    clusters, places = [], []
    for i, one in enumerate(number):
        others = [a for a in range(len(number)) if a != i]
        scores = {a: z[i] @ z[a] / TEMPERATURE for a in others}
        total = np.log(sum(np.exp(score) for score in scores.values()))
        friends = [a for a in others if number[a] % count == one % count]
        assert len(friends) == 3
        clusters += [total - scores[a] for a in friends]
        places.append(cross_entropy(y[i], one // count))
    return 0.5 * TEMPERATURE / BASE * np.mean(clusters) + 2.0 * np.mean(places)


def montages(rng, count=4, side=6):
    return {
        "views": (rng.normal(size=(count, side, side, 2)),),
        "permute": rng.permutation(4 * count).reshape(count, 4).astype(np.int32),
    }


def test_three_steps_group_and_place_the_parts(rng):
    for step in follow(jigclu(), [montages(rng) for _ in range(3)], loss):
        parts_of = {k: step.metrics[f"ssl/{k}"] for k in ("clustering", "location")}
        np.testing.assert_allclose(sum(parts_of.values()), step.metrics["ssl/loss"])


def test_a_part_that_shows_its_image_is_grouped(rng):
    """Colours of their own for each image, over the whole batch and any montage."""
    colours = jnp.eye(4)[:, None, None] * jnp.ones((4, 16, 16, 4))
    plain = views.view(size=8, flip=0.0)
    batch = views.montage(view=plain)(jax.random.key(0), {"image": colours})
    method = jigclu(dim=4)
    params, extra = method.init(jax.random.key(0), batch)
    params = {
        **params,
        "encoder": {"w": jnp.eye(4, 5)},
        "projector": {
            "linear1": {"kernel": jnp.eye(5, 6), "bias": jnp.zeros(6)},
            "linear2": {"kernel": jnp.eye(6, 4), "bias": jnp.zeros(4)},
        },
    }
    options = {"key": jax.random.key(0), "step": 0}
    _, aux = method.objectives["ssl"].loss(params, extra, batch, **options)
    # Three friends at a cosine of 1 and twelve others at 0.
    known = np.log(3 * np.exp(1 / TEMPERATURE) + 12) - 1 / TEMPERATURE
    wanted = 0.5 * TEMPERATURE / BASE * known
    np.testing.assert_allclose(aux.metrics["clustering"], wanted, rtol=1e-5)


def test_each_device_lays_out_its_own_montages():
    """Of quarters of the whole batch, which all meet; the net would follow them."""
    mesh = sharding.make_mesh(devices=jax.devices()[:4])
    make = views.montage(view=views.view(size=4))

    def made(key, batch):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            out = make(key, batch)
        return {name: out[name] for name in ("views", "permute")}

    shapes = {"image": jax.ShapeDtypeStruct((8, 10, 10, 3), jnp.float32)}
    over = (None, sharding.batch_sharding(mesh))
    program = jax.jit(made, in_shardings=over).lower(jax.random.key(0), shapes)
    for leaf in jax.tree.leaves(program.compile().output_shardings):
        assert leaf.shard_shape((8,)) == (2,)


def test_what_does_not_fit_is_told_before_the_first_step(rng):
    with pytest.raises(ValueError, match=r"temperature must be positive .* got 0"):
        methods.jigsaw_clustering(cells(5), temperature=0)
    with pytest.raises(ValueError, match=r"make it with\s+output=\('pooled', 'map'\)"):
        methods.jigsaw_clustering(models.convnet())
    batch = montages(rng)
    with pytest.raises(ValueError, match=r"batch\['permute'\], which views.montage"):
        trace(jigclu(), {"views": batch["views"]})
    with pytest.raises(ValueError, match="a place for each part; got 1 x 1"):
        trace(jigclu(), montages(rng, side=1))
    with pytest.raises(ValueError, match="must have 2 or more rows"):
        trace(jigclu(), montages(rng, count=1))
