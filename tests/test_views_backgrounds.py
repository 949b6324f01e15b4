"""Other backgrounds: what is behind whom, in which view."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import views

STILL = views.view(size=12, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0)
LEVEL = np.linspace(0.1, 0.4, 4)


def squares():
    """Grounds of four levels, with a brighter square on each but the last."""
    ground = jnp.asarray(LEVEL, jnp.float32)[:, None, None, None]
    mask = jnp.zeros((4, 12, 12)).at[:, 4:9, 4:9].set(1.0).at[3].set(0.0)
    image = jnp.broadcast_to(ground, (4, 12, 12, 3)) + 0.5 * mask[..., None]
    return {"image": image, "foreground": mask, "label": jnp.array([0, 1, 0, 1])}


def corner_and_middle(view):
    view = np.asarray(view)[..., 0]
    return view[:, 0, 0], view[:, 6, 6]


def test_the_negative_has_the_background_of_the_query_and_the_key_its_foreground():
    make = views.swapped_backgrounds(first=STILL, probability=1.0, negative=1.0)
    made = make(jax.random.key(0), squares())
    query, positive, negative = (np.asarray(v)[..., 0] for v in made["views"])
    image = np.asarray(squares()["image"])
    chex.assert_trees_all_close(query, image[..., 0], atol=1e-5)
    # The key has its own foreground on the background of the image before it, unless
    # it has no foreground; the negative the other way round.
    np.testing.assert_allclose(
        positive[:, 6, 6], LEVEL + np.array([0.5, 0.5, 0.5, 0]), atol=1e-5
    )
    np.testing.assert_allclose(positive[:3, 0, 0], LEVEL[[3, 0, 1]], atol=1e-5)
    np.testing.assert_allclose(negative[:, 0, 0], LEVEL, atol=1e-5)
    np.testing.assert_allclose(negative[1:3, 6, 6], LEVEL[:2] + 0.5, atol=1e-5)
    assert made["has_negative"].tolist() == [False, True, True, False]


def test_every_view_has_the_background_of_another_image():
    then = views.two_views(first=STILL)
    make = views.background(then=then, replace="random", probability=1.0)
    for away, view in enumerate(make(jax.random.key(0), squares())["views"], start=1):
        corner, middle = corner_and_middle(view)
        donors = (np.arange(4) - away) % 4
        # The last has no foreground and stays as it is.
        np.testing.assert_allclose(corner, [*LEVEL[donors][:3], 0.4], atol=1e-5)
        np.testing.assert_allclose(middle, [*(LEVEL + 0.5)[:3], 0.4], atol=1e-5)


def test_every_view_has_a_grey_of_its_own_as_often_as_it_should():
    image = jnp.full((2000, 4, 4, 1), 0.5)
    mask = jnp.zeros((2000, 4, 4)).at[:, 1:3, 1:3].set(1.0)
    still = views.view(size=4, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0)
    make = views.background(then=views.two_views(first=still), probability=0.3)
    made = jax.jit(make)(jax.random.key(0), {"image": image, "foreground": mask})
    first, second = (np.asarray(view)[:, 0, 0, 0] for view in made["views"])
    changed = np.stack([first, second]) != np.float32(0.5)
    # Three standard deviations of a share of 2000.
    assert np.abs(changed.mean(axis=1) - 0.3).max() < 3 * (0.21 / 2000) ** 0.5
    assert abs(changed.all(axis=0).mean() - 0.09) < 3 * (0.0819 / 2000) ** 0.5
    both = changed.all(axis=0)
    assert abs(np.corrcoef(first[both], second[both])[0, 1]) < 0.25


def test_only_the_large_crops_get_other_backgrounds():
    crops = views.multi_crop(first=STILL, small=STILL, count=2)
    make = views.background(then=crops, replace="random", probability=1.0)
    made = make(jax.random.key(0), squares())["views"]
    corners = [corner_and_middle(view)[0] for view in made]
    assert len(made) == 4
    for corner in corners[:2]:
        assert np.abs(corner - LEVEL)[:3].min() > 0.05
    for corner in corners[2:]:
        np.testing.assert_allclose(corner, LEVEL, atol=1e-5)


def test_the_challenge_puts_the_next_of_a_class_behind():
    def made(kind):
        batch = views.other_backgrounds(kind=kind)(jax.random.key(0), squares())
        return corner_and_middle(batch["image"])

    # The last has no foreground: it stays as it is, and is behind nobody.
    corner, middle = made("mixed_same")
    np.testing.assert_allclose(corner, LEVEL[[2, 1, 0, 3]], atol=1e-5)
    np.testing.assert_allclose(middle, [*(LEVEL + 0.5)[:3], 0.4], atol=1e-5)
    corner, middle = made("mixed_rand")
    np.testing.assert_allclose(corner, LEVEL[[1, 2, 2, 3]], atol=1e-5)
    np.testing.assert_allclose(middle, [*(LEVEL + 0.5)[:3], 0.4], atol=1e-5)
    corner, middle = made("only_background")
    np.testing.assert_allclose(corner, LEVEL, atol=1e-5)
    np.testing.assert_allclose(middle, LEVEL, atol=1e-5)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: views.background(then=STILL, replace="swap"), "'remove', 'random'"),
        (
            lambda: views.background(then=STILL, probability=2.0),
            r"probability.*\[0, 1\]",
        ),
        (
            lambda: views.background(then=STILL, count=0),
            "count must be 1 or more, got 0",
        ),
        (lambda: views.other_backgrounds(kind="mixed"), "'mixed_same', 'mixed_rand'"),
    ],
)
def test_what_cannot_be_is_told_at_once(run, message):
    with pytest.raises(ValueError, match=message):
        run()


def test_a_batch_without_what_is_needed_is_told():
    batch, key = squares(), jax.random.key(0)
    unlabelled = {k: v for k, v in batch.items() if k != "label"}
    with pytest.raises(ValueError, match="mixed_same needs labels; the data have"):
        views.other_backgrounds(kind="mixed_same")(key, unlabelled)
    two = {k: v[:2] for k, v in batch.items()}
    make = views.background(then=views.two_views(first=STILL), replace="random")
    with pytest.raises(ValueError, match="image must have 3 or more rows"):
        make(key, two)
