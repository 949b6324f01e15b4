"""Masks: exact counts, inverse orders, limits; tables and tiles of pretexts."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment


@pytest.mark.parametrize(("patches", "ratio"), [(16, 0.75), (49, 0.6), (10, 0.9)])
def test_random_mask_counts_and_restores(patches, ratio):
    made = augment.random_mask(
        jax.random.key(patches), batch=3, patches=patches, ratio=ratio
    )
    kept = int(patches * (1 - ratio))
    assert made.keep.shape == (3, kept)
    assert made.mask.sum(axis=1).tolist() == [patches - kept] * 3
    restore, mask = np.asarray(made.restore), np.asarray(made.mask)
    assert (np.sort(restore, axis=1) == np.arange(patches)).all()
    for i in range(3):
        assert (mask[i, np.asarray(made.keep[i])] == 0).all()
        assert (restore[i, np.asarray(made.keep[i])] == np.arange(kept)).all()


def test_block_mask_keeps_its_bounds():
    target = jnp.array([0.0, 3.0, 20.0, 75.0] * 8)
    run = jax.jit(
        lambda key, exact: jax.lax.cond(
            exact,
            lambda: augment.block_mask(key, target, grid=(14, 14), exact=True),
            lambda: augment.block_mask(key, target, grid=(14, 14)),
        )
    )
    loose, exact = (run(jax.random.key(0), e) for e in (False, True))
    count = np.asarray(loose.mask).sum(axis=(1, 2))
    assert (count <= np.asarray(target)).all()
    assert (count[np.asarray(target) == 0] == 0).all()
    assert count[np.asarray(target) == 75].mean() > 70
    chex.assert_trees_all_equal(
        np.asarray(exact.mask).sum(axis=(1, 2)), np.asarray(target)
    )
    assert (np.asarray(exact.mask) >= np.asarray(loose.mask)).all()
    for mask, blocks in zip(loose.mask, np.asarray(loose.blocks), strict=True):
        union = np.zeros((14, 14))
        for top, left, height, width in blocks:
            union[top : top + height, left : left + width] = 1
        chex.assert_trees_all_equal(np.asarray(mask), union.astype(np.float32))


@pytest.mark.parametrize("cells", [9, 16, 25, 36, 49])
@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 0.6, 0.75, 0.9])
def test_unit_mask_count_is_a_ceiling(cells, ratio):
    side = int(cells**0.5)
    order = jnp.asarray(np.random.default_rng(0).permutation(cells)[None])
    mask = augment.unit_mask_from_order(order, grid=(side, side), ratio=ratio, repeat=2)
    assert mask.sum() == 4 * math.ceil(ratio * cells)
    assert mask[0, 0, 0] == mask[0, 1, 1]


def test_permutation_sets_are_what_they_say():
    for criterion, least, mean in (("max_mean", 2, 8.08), ("max_min", 6, 8.02)):
        table = augment.permutation_set(count=100, criterion=criterion)
        assert (np.sort(table, axis=1) == np.arange(9)).all()
        distance = augment.hamming_distances(table)
        assert distance.min() == least
        assert distance.mean() == pytest.approx(mean, abs=0.01)
    made = augment.choose_permutations(count=24, tiles=4)
    assert len({tuple(p) for p in made}) == 24
    with pytest.raises(ValueError, match="1000"):
        augment.permutation_set(count=1001)


def test_tiles_put_back_are_the_image():
    image = jax.random.uniform(jax.random.key(0), (2, 9, 9, 3))
    pieces = augment.tiles(image, jnp.zeros((2, 9, 2), int), size=3)
    flat = pieces.reshape(2, 9, -1)
    chex.assert_trees_all_equal(augment.unpatchify(flat, patch_size=3), image)
    order = jnp.array([[8, 7, 6, 5, 4, 3, 2, 1, 0]] * 2)
    shuffled = augment.shuffle(pieces, order)
    chex.assert_trees_all_equal(shuffled[:, 0], pieces[:, 8])
    with pytest.raises(ValueError, match="do not fit"):
        augment.tiles(image, jnp.zeros((2, 9, 2), int), size=4)


def test_neighbours_are_opposite():
    pairs, labels = augment.grid_pairs(rows=3, columns=3)
    both = {tuple(p): label for p, label in zip(pairs.tolist(), labels, strict=True)}
    assert len(both) == 40
    assert all(both[b, a] == 7 - label for (a, b), label in both.items())


def test_background_is_replaced_where_the_mask_is_empty():
    image = jax.random.uniform(jax.random.key(0), (2, 8, 8, 3))
    mask = jnp.zeros((2, 8, 8, 1)).at[:, 2:5, 2:5].set(1.0)
    removed = augment.remove_background(image, mask, level=jnp.array([0.2, 0.8]))
    chex.assert_trees_all_equal(removed[:, 2:5, 2:5], image[:, 2:5, 2:5])
    assert removed[1, 0, 0].tolist() == pytest.approx([0.8] * 3)
    tiled = augment.tile_background(image, mask)
    chex.assert_trees_all_equal(tiled[:, :3], image[:, 5:8])
    chex.assert_trees_all_equal(tiled[:, 3:6], image[:, 5:8])


def test_saliency_finds_the_odd_one_out():
    noise = jax.random.uniform(jax.random.key(0), (1, 64, 64, 1))
    texture = 0.4 + 0.2 * augment.gaussian_blur(noise, 2.0, kernel_size=9)
    image = texture.at[0, 40:48, 10:18].set(1.0)
    saliency = np.asarray(augment.spectral_saliency(image))[0, :, :, 0]
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert 36 <= row <= 52
    assert 6 <= column <= 22
    assert saliency.max() == 1
    flat = augment.spectral_saliency(jnp.full((1, 64, 64, 1), 0.5))
    assert np.isfinite(flat).all()


def test_mixing_moves_targets_with_pixels():
    image = jnp.stack([jnp.zeros((8, 8, 1)), jnp.ones((8, 8, 1))])
    for seed in range(4):
        mixed, target = augment.random_mix(jax.random.key(seed), image, jnp.eye(2))
        share = mixed.mean(axis=(1, 2, 3))
        chex.assert_trees_all_close(target[:, 1], share, atol=1e-6)


def test_fine_tuning_operations_stay_in_range():
    image = jax.random.uniform(jax.random.key(0), (15, 8, 8, 3))
    one = jnp.ones(15)
    run = jax.jit(augment.apply_operations)
    made = run(image, jnp.arange(15), 0.9 * one, one)
    assert 0 <= made.min() <= made.max() <= 1
    changed = np.abs(np.asarray(made - image)).max(axis=(1, 2, 3))
    assert (changed > 1e-3).all()
    chex.assert_trees_all_equal(run(image, -jnp.ones(15, int), one, one), image)
    chex.assert_trees_all_close(made[2], 1 - image[2], atol=1e-6)
