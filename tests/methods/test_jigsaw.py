"""Jigsaw puzzles: arXiv:1603.09246, equation 3, algorithm 1 and section 4.2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, methods, models, views
from tests.methods import shortcuts
from tests.methods.following import (
    cells,
    cross_entropy,
    dense,
    flat,
    follow,
    linear,
    trace,
)

TABLE = augment.choose_permutations(count=8, tiles=4)  # the last two are no swaps


def puzzles(rng, count=6):
    """Batches of tiles that lie in the order of a permutation each."""
    for _ in range(3):
        answers = rng.integers(0, len(TABLE), count)
        tiles = rng.normal(size=(count, 4, 3, 3, 2))
        yield {"views": (tiles,), "order": TABLE[answers].astype(np.int32)}


def loss(params, extra, batch):
    """Codes one after the other, each tile alone; the class is the permutation."""
    values = []
    for tiles, order in zip(batch["views"][0], batch["order"], strict=True):
        (answer,) = np.flatnonzero((extra["permutations"] == order).all(axis=1))
        codes = [flat(tile[None], params["encoder"])[0] for tile in tiles]
        row = np.concatenate(codes)[None]
        logits = dense(row, params["classifier"]["linear1"])[0]
        values.append(cross_entropy(logits, answer))
    return np.mean(values)


def test_three_steps_name_the_permutation(rng):
    method = methods.jigsaw(
        linear(5), models.linear(dim=8), tiles=4, permutations=len(TABLE)
    )
    for step in follow(method, list(puzzles(rng)), loss):
        np.testing.assert_array_equal(step.after.extra["permutations"], TABLE)


def test_the_state_has_the_permutations_of_its_head(rng):
    """Another set of the views ends a run: the loss is not a number."""
    method = methods.jigsaw(
        linear(5), models.linear(dim=8), tiles=4, permutations=len(TABLE)
    )
    batch = jax.device_put(next(puzzles(rng)))
    params, extra = method.init(jax.random.key(0), batch)
    run = method.objectives["ssl"].loss
    options = {"key": jax.random.key(0), "step": 0}
    assert np.isfinite(run(params, extra, batch, **options)[0])
    stranger = jnp.array([0, 0, 1, 2], jnp.int32)
    order = batch["order"].at[2].set(stranger)
    assert np.isnan(run(params, extra, {**batch, "order": order}, **options)[0])


def test_features_are_of_tiles_in_their_places(rng):
    method = methods.jigsaw(
        cells(3), models.linear(dim=8), tiles=4, permutations=8, features="map"
    )
    batch = jax.device_put(next(puzzles(rng)))
    params, extra = method.init(jax.random.key(0), batch)
    read = {
        name: output(params, extra, batch, key=None)
        for name, output in method.outputs.items()
    }
    codes = batch["views"][0].mean(axis=(2, 3)) @ params["encoder"]["w"]
    np.testing.assert_allclose(read["features"], codes.reshape(6, 12), rtol=1e-5)
    np.testing.assert_allclose(read["map"], codes.reshape(6, 2, 2, 3), rtol=1e-5)
    plain = methods.jigsaw(cells(3), models.linear(dim=8), tiles=4, permutations=8)
    mean = plain.outputs["features"](params, extra, batch, key=None)
    np.testing.assert_allclose(mean, codes.mean(axis=1), rtol=1e-5)


def test_what_does_not_fit_is_told_before_the_first_step(rng, tmp_path):
    batch = next(puzzles(rng))
    with pytest.raises(ValueError, match=r"square of a side .* 4 or 9; got 8"):
        methods.jigsaw(linear(5), models.linear(dim=8), tiles=8)
    few = methods.jigsaw(linear(5), models.linear(dim=8), tiles=4, permutations=9)
    with pytest.raises(ValueError, match="logits"):
        trace(few, batch)
    nine = methods.jigsaw(linear(5), models.linear(dim=8), permutations=8)
    with pytest.raises(ValueError, match="takes 9 tiles of an image; got 4"):
        trace(nine, batch)
    good = methods.jigsaw(linear(5), models.linear(dim=8), tiles=4, permutations=8)
    with pytest.raises(ValueError, match=r"batch\['order'\], which views.jigsaw gives"):
        trace(good, {"views": batch["views"]})
    path = str(tmp_path / "table.npy")
    np.save(path, TABLE)
    assert methods.jigsaw(linear(5), models.linear(dim=8), tiles=4, permutations=path)
    with pytest.raises(ValueError, match=r"rows of 0 to 8, .* shape \(8, 4\)"):
        views.jigsaw(view=views.center(size=30), tile=8, permutations=path)
    np.save(path, TABLE[[0, 0]])
    with pytest.raises(ValueError, match="each once"):
        augment.puzzles(path, tiles=4)
    make = views.jigsaw(view=views.center(size=30), tile=9)
    with pytest.raises(ValueError, match=r"tiles of 9 and a jitter of 2 do not fit"):
        make(jax.random.key(0), {"image": jnp.ones((2, 30, 30, 3))})


# Permutations, which the cheats are asked for: chance is 10 %.
COUNT, SIDE = 10, 45


def edges(tiles):
    """How well the borders of any two tiles fit, side by side and one on the other."""
    right, left = tiles[:, :, :, -1], tiles[:, :, :, 0]
    bottom, top = tiles[:, :, -1], tiles[:, :, 0]
    fits = [
        np.abs(one[:, :, None] - other[:, None]).mean(axis=(-2, -1))
        for one, other in ((right, left), (bottom, top))
    ]
    return np.stack(fits, axis=1)


def levels(tiles):
    """How far the means of any two tiles lie apart."""
    means = tiles.mean(axis=(2, 3, 4))
    return np.abs(means[:, :, None] - means[:, None])


def fringes(tiles):
    """By how much red lies beside green in each tile: slopes times difference."""
    off = tiles[..., 0] - tiles[..., 1]
    slopes = np.stack(np.gradient(tiles[..., 1], axis=(2, 3)), axis=-1)
    return (off[..., None] * slopes).mean(axis=(2, 3)) / (slopes**2).mean(axis=(2, 3))


def speckled(rng, count):
    """No pixel is like one that is three pixels away: borders alone tell anything."""
    noise = rng.normal(size=(count, SIDE + 2, SIDE + 2))
    rows = noise[:, :-2] + noise[:, 1:-1] + noise[:, 2:]
    image = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    return image[..., None] / 20 + 0.5


def shaded(rng, count):
    """Light falls from one side: all tiles are alike but for their level."""
    slope = rng.uniform(-0.4, 0.4, (2, count, 1, 1))
    ramp = np.linspace(-0.5, 0.5, SIDE)
    image = 0.5 + slope[0] * ramp[:, None] + slope[1] * ramp
    return image[..., None]


def fringed(rng, count):
    """A lens enlarges red, by half a pixel at the rim; the waves tell nothing.

    Fringes of more pixels than the jitter has are hidden in part only.
    """
    at = np.arange(SIDE) - SIDE // 2
    angle, phase = rng.uniform(0, 2 * np.pi, (2, count, 2, 1, 1))

    def waves(zoom):
        y, x = zoom * at[:, None] / 3, zoom * at / 3
        return np.sin(np.cos(angle) * x + np.sin(angle) * y + phase).mean(axis=1)

    return 0.5 + 0.4 * np.stack([waves(1.02), waves(1.0), waves(1.0)], axis=-1)


CHEATS = {
    "edges": (speckled, edges, {"tile": 15}),
    "levels": (shaded, levels, {"normalize": False}),
    "fringes": (fringed, fringes, {"jitter": 0, "grey": 0.0}),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_shortcut_is_closed(name, rng):
    """Matching borders, levels of light and a lens tell a naive puzzle, not ours."""
    pictures, cue, naive = CHEATS[name]
    batch = {"image": jnp.asarray(pictures(rng, 600), jnp.float32)}
    own = {"tile": 10, "jitter": 2, "grey": 0.3, "normalize": True}
    if name == "edges":
        naive = {**naive, "jitter": 0}

    def solved(**options):
        view = views.center(size=SIDE)
        make = views.jigsaw(view=view, permutations=COUNT, **options)
        made = jax.jit(make)(jax.random.key(0), batch)
        table = augment.puzzles(COUNT)
        answers = (np.asarray(made["order"])[:, None] == table).all(axis=-1)
        return shortcuts.accuracy(
            cue(np.asarray(made["views"][0])), answers.argmax(axis=1)
        )

    assert solved(**{**own, **naive}) > 0.5
    assert solved(**own) < 0.2
