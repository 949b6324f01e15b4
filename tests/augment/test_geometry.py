"""Crops, resizes, blur, flips, patches: against slow readings and as properties."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslax import augment
from sslax.augment._bands import resample_banded, resample_dense
from sslax.augment._blur import blur_by_bands, blur_by_shifts, taps

IMAGE = jax.random.uniform(jax.random.key(2), (2, 20, 17, 3))


@pytest.mark.parametrize(
    ("method", "theirs"),
    [("bicubic", "cubic"), ("bilinear", "linear"), ("lanczos", "lanczos3")],
)
def test_crop_resize_is_crop_then_resize(method, theirs):
    boxes = [(2, 3, 15, 11), (0, 0, 20, 17)]
    made = augment.crop_resize(
        IMAGE, jnp.array(boxes), size=(8, 13), method=method, flip=jnp.array([0, 1]) > 0
    )
    for i, (top, left, height, width) in enumerate(boxes):
        piece = IMAGE[i, top : top + height, left : left + width]
        wanted = jax.image.resize(piece, (8, 13, 3), theirs)
        wanted = wanted[:, ::-1] if i else wanted
        chex.assert_trees_all_close(made[i], wanted, atol=2e-6)


@pytest.mark.parametrize(
    ("method", "size_out", "antialias"),
    [
        ("bicubic", 64, True),
        ("bicubic", 30, False),
        ("lanczos", 29, True),
        ("bilinear", 150, True),
        ("box", 56, True),
    ],
)
def test_bands_leave_nothing_out(method, size_out, antialias):
    """Windows of few pixels give what weights over all pixels give, at any place."""
    draw = np.random.default_rng(size_out)
    lines = jnp.asarray(draw.integers(0, 256, (12, 96, 5), np.uint8))
    length = draw.integers(1, 97, 12).astype(np.float32)
    length[:2] = 96, 1
    start = np.floor(draw.random(12) * (97 - length)).astype(np.float32)
    start[2] = 96 - length[2]
    flip = jnp.arange(12) % 2 > 0
    options = {"size_out": size_out, "method": method, "antialias": antialias}
    made = [
        jax.jit(functools.partial(function, **options))(lines, start, length, flip)
        for function in (resample_banded, resample_dense)
    ]
    # A place near pixel 96 is known to 4e-6 pixels, and the two may round it apart.
    chex.assert_trees_all_close(*made, atol=2e-5)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**31 - 1),
    st.sampled_from(["torchvision", "tf", "byol"]),
    st.sampled_from([(0.0, 0.0, 24.0, 24.0), (3.0, 5.0, 12.0, 21.0)]),
)
def test_random_boxes_lie_inside(seed, rule, box):
    made = np.asarray(
        augment.random_box(jax.random.key(seed), jnp.array([box] * 64), rule=rule)
    )
    top, left, height, width = made.T
    assert (made == np.round(made)).all()
    assert (height >= 1).all()
    assert (width >= 1).all()
    assert (top >= box[0]).all()
    assert (left >= box[1]).all()
    assert (top + height <= box[0] + box[2]).all()
    assert (left + width <= box[1] + box[3]).all()
    assert len(np.unique(made, axis=0)) > 32


def test_torchvision_rule_falls_back_to_the_centre():
    box = jnp.array([[0.0, 0.0, 4.0, 400.0]])
    made = augment.random_box(jax.random.key(0), box, scale=(0.9, 1.0))
    assert made.tolist() == [[0.0, 197.0, 4.0, 5.0]]


def test_tf_rule_covers_a_tenth_and_misses_the_last_place():
    box = jnp.array([[0.0, 0.0, 32.0, 32.0]] * 20000)
    top, _, height, width = np.asarray(
        augment.random_box(jax.random.key(0), box, rule="tf")
    ).T
    assert (height * width).min() >= 0.1 * 32 * 32
    assert (top + height)[height < 32].max() == 31


def test_blur_keeps_constants_and_mass():
    image = jnp.full((2, 9, 9, 1), 0.7)
    blurred = augment.gaussian_blur(image, jnp.array([0.5, 2.0]), kernel_size=5)
    chex.assert_trees_all_close(blurred, image, atol=1e-6)
    identity = augment.gaussian_blur(IMAGE, 0.0, kernel_size=5, padding="zero")
    chex.assert_trees_all_equal(identity, IMAGE)
    drawn = augment.random_blur(jax.random.key(0), IMAGE, probability=0.0)
    chex.assert_trees_all_equal(drawn, IMAGE)
    with pytest.raises(ValueError, match="too wide"):
        augment.gaussian_blur(image, 1.0, kernel_size=19)
    with pytest.raises(ValueError, match="odd"):
        augment.gaussian_blur(image, 1.0, kernel_size=4)


@pytest.mark.parametrize(
    ("shape", "size", "padding"),
    [
        ((2, 70, 3, 13), 11, "zero"),
        ((2, 9, 1, 130), 9, "reflect"),
        ((1, 4, 1, 6), 11, "zero"),
    ],
)
def test_shifts_blur_as_bands_do(rng, shape, size, padding):
    rows = jnp.asarray(rng.random(shape, np.float32))
    weights = taps(jnp.linspace(0.3, 2.0, shape[0]), size)
    made = [
        jax.jit(functools.partial(function, padding=padding))(rows, weights)
        for function in (blur_by_shifts, blur_by_bands)
    ]
    chex.assert_trees_all_close(*made, atol=2e-6)


def test_flip_twice_and_rot90_four_times_are_identities():
    twice = augment.horizontal_flip(augment.horizontal_flip(IMAGE))
    chex.assert_trees_all_equal(twice, IMAGE)
    turned = IMAGE
    for _ in range(4):
        turned = augment.rot90(turned)
    chex.assert_trees_all_equal(turned, IMAGE)
    wanted = np.rot90(np.asarray(IMAGE), 3, axes=(1, 2))
    chex.assert_trees_all_equal(np.asarray(augment.rot90(IMAGE, turns=3)), wanted)
    chex.assert_trees_all_close(augment.rotate(IMAGE, 0.0), IMAGE, atol=1e-6)


@pytest.mark.parametrize(("shape", "channels"), [((4, 2), 3), ((6, 3), 1)])
def test_patchify_inverts(shape, channels):
    side, patch = shape
    image = jnp.arange(2.0 * side * 2 * side * channels)
    image = image.reshape(2, side, 2 * side, channels)
    grid = (side // patch, 2 * side // patch)
    patches = augment.patchify(image, patch_size=patch)
    back = augment.unpatchify(patches, patch_size=patch, grid=grid)
    chex.assert_trees_all_equal(back, image)
    chex.assert_trees_all_equal(patches[:, 0], image[:, :patch, :patch].reshape(2, -1))


def test_patch_size_that_does_not_divide_names_the_nearest():
    with pytest.raises(ValueError, match="nearest that does is 4"):
        augment.patchify(jnp.ones((1, 28, 28, 1)), patch_size=5)


def test_low_resolution_is_down_and_up():
    image = IMAGE[:, :16, :16]
    made = augment.low_resolution(image, jnp.array([5.0, 16.0]))
    small = jax.image.resize(image[0], (5, 5, 3), "linear")
    chex.assert_trees_all_close(
        made[0], jax.image.resize(small, (16, 16, 3), "linear"), atol=1e-5
    )
    chex.assert_trees_all_close(made[1], image[1], atol=1e-6)


def test_windows_and_grids():
    cut = augment.cut(IMAGE, jnp.array([[1], [2]]), jnp.array([[3], [0]]), size=(4, 5))
    chex.assert_trees_all_equal(cut[0, 0], IMAGE[0, 1:5, 3:8])
    chex.assert_trees_all_equal(cut[1, 0], IMAGE[1, 2:6, 0:5])
    grid = augment.patch_grid(IMAGE, size=6, stride=4)
    chex.assert_trees_all_equal(grid[:, 1, 2], IMAGE[:, 4:10, 8:14])
    stack = jnp.broadcast_to(
        jnp.arange(100.0).reshape(1, 10, 10, 1) / 100, (1, 10, 10, 4)
    )
    crop = augment.random_crop(jax.random.key(3), stack, size=7)
    assert np.ptp(np.asarray(crop), axis=-1).max() == 0


def test_elastic_by_whole_pixels_is_a_shift_with_its_edge_repeated():
    move = jnp.zeros((2, 20, 17, 2)).at[1, ..., 0].set(-2.0).at[1, ..., 1].set(3.0)
    made = augment.elastic(IMAGE, move)
    chex.assert_trees_all_equal(made[0], IMAGE[0])
    wanted = np.pad(np.asarray(IMAGE[1]), ((2, 0), (0, 3), (0, 0)), mode="edge")
    chex.assert_trees_all_close(made[1], wanted[:20, 3:], atol=1e-6)
    with pytest.raises(ValueError, match=r"displacements \(2, 20, 17, 2\)"):
        augment.elastic(IMAGE, move[:1])


def test_random_elastic_moves_pixels_smoothly_and_never_far():
    ramp = jnp.broadcast_to(jnp.linspace(0, 1, 60)[None, None, :, None], (3, 60, 60, 1))
    made = augment.random_elastic(jax.random.key(1), ramp, alpha=20.0, sigma=4.0)
    moved = 59.0 * np.abs(made - ramp)
    assert 0.2 < moved.mean() < 3.0
    assert np.abs(np.diff(59.0 * (made - ramp), axis=1)).max() < 1.0
    still = augment.random_elastic(jax.random.key(1), ramp, alpha=0.0)
    chex.assert_trees_all_close(still, ramp, atol=1e-6)
