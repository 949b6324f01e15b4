"""View builders: determinism, independence of images, boxes, devices."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from sslax import augment, calls, views
from sslax.kinds import Builder

BATCH = {
    "image": np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), np.uint8),
    "label": np.arange(8, dtype=np.int32) % 3,
    "index": np.arange(8, dtype=np.int32),
    "box": np.tile(np.array([[2, 3, 20, 18]], np.float32), (8, 1)),
}
BATCH = {name: jnp.asarray(array) for name, array in BATCH.items()}
FULL = views.view(
    size=16,
    jitter=(0.4, 0.4, 0.2, 0.1),
    grayscale=0.2,
    blur=0.5,
    solarize=0.2,
)
CROP = views.view(size=16)
FULL_PATCH = jax.random.uniform(jax.random.key(4), (1, 16, 16, 3))
BUILDERS = {
    "two_views": views.two_views(first=FULL),
    "multi_crop": views.multi_crop(first=CROP, small=views.view(size=8), count=2),
    "masked": views.masked(view=CROP, mask=views.hide_patches(patch_size=4)),
    "block_masked": views.masked(
        view=CROP,
        mask=views.hide_blocks(patch_size=2, count=20, least=4, exact=True),
    ),
    "unit_masked": views.masked(view=CROP, mask=views.hide_units(patch_size=2, unit=4)),
    "masked_crops": views.masked_crops(
        crops=views.two_views(first=CROP),
        mask=views.hide_some(patch_size=2, unit=4),
    ),
    "rotated": views.rotated(view=CROP),
    "jigsaw": views.jigsaw(view=views.view(size=15), tile=3),
    "fixed_crop": views.one_view(view=views.fixed_crop(size=15, resize_to=18)),
    "tiled": views.tiled(view=views.view(size=15), tile=3),
    "montage": views.montage(view=views.view(size=8)),
    "pixel_views": views.pixel_views(first=CROP),
    "context_pairs": views.context_pairs(patch=8, gap=4, jitter=1, level=1.0),
    "exemplars": views.exemplars(patch=12),
    "lab": views.lab(view=CROP),
    "frame_crops": views.frame_crops(size=20),
    "background": views.background(
        replace="random",
        probability=0.5,
        then=views.two_views(first=CROP),
        foreground="saliency",
    ),
    "swapped_backgrounds": views.swapped_backgrounds(
        first=CROP, probability=0.5, foreground="saliency"
    ),
    "altered_patches": views.overlapping_patches(
        view=CROP, size=8, stride=4, window=None, each=views.altered_patches()
    ),
}
MIXING = (
    "montage",
    "background",
    "swapped_backgrounds",
)  # what mixes images of the batch
WITHOUT_CANVAS = ("context_pairs", "frame_crops")


@pytest.mark.parametrize("name", BUILDERS)
def test_eight_devices_make_what_one_makes(name):
    make, batch, key = jax.jit(BUILDERS[name]), BATCH, jax.random.key(7)
    if name in WITHOUT_CANVAS:
        batch = {field: array for field, array in BATCH.items() if field != "box"}
    alone = make(key, batch)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
    chex.assert_trees_all_close(make(key, split), alone, atol=2e-5)
    assert isinstance(alone["views"], tuple)
    assert all(np.isfinite(v).all() for v in alone["views"])
    chex.assert_trees_all_equal(make(key, batch)["views"], alone["views"])
    other = make(jax.random.key(8), batch)["views"]
    assert any(
        not np.allclose(a, b) for a, b in zip(other, alone["views"], strict=True)
    )
    if name not in MIXING:
        changed = {**batch, "image": batch["image"].at[3].set(7)}
        made = jax.tree.map(
            lambda x: np.delete(np.asarray(x), 3, 0), make(key, changed)
        )
        kept = jax.tree.map(lambda x: np.delete(np.asarray(x), 3, 0), alone)
        chex.assert_trees_all_close(made["views"], kept["views"], atol=1e-6)


@pytest.mark.parametrize("name", ["multi_crop", "masked_crops", "pixel_views", "lab"])
def test_micro_batches_make_what_the_whole_batch_makes(name):
    make, key = BUILDERS[name], jax.random.key(7)
    drawn = make.draw(key, BATCH)
    assert all(len(x) == 8 for x in jax.tree.leaves(drawn))
    parts = (jax.tree.map(lambda x, i=i: x[i : i + 4], (drawn, BATCH)) for i in (0, 4))
    halves = [jax.jit(make.make)(*part) for part in parts]
    made = jax.tree.map(lambda *parts: np.concatenate(parts), *halves)
    chex.assert_trees_all_close(made, jax.jit(make)(key, BATCH), rtol=0, atol=1e-6)


def test_views_are_the_same_without_jit():
    key = jax.random.key(6)
    make = BUILDERS["two_views"]
    small = {name: array[:2] for name, array in BATCH.items()}
    chex.assert_trees_all_close(jax.jit(make)(key, small), make(key, small), atol=2e-5)


def test_crop_sees_only_its_box():
    image = np.zeros((4, 24, 24, 1), np.float32)
    image[:, 2:22, 3:21] = 1.0
    batch = {"image": jnp.asarray(image), "box": BATCH["box"][:4]}
    made = views.one_view(view=CROP)(jax.random.key(0), batch)["views"][0]
    chex.assert_trees_all_close(made, jnp.ones_like(made), atol=1e-5)
    still = views.one_view(view=views.center(size=16, resize_to=18))
    made = still(jax.random.key(0), batch)["views"][0]
    chex.assert_trees_all_close(made, jnp.ones_like(made), atol=1e-5)


def test_center_is_resize_then_crop():
    image = jax.random.uniform(jax.random.key(0), (1, 30, 40, 3))
    key = jax.random.key(0)
    made = views.center(size=16, resize_to=20, resize="bilinear")(key, image)
    wide = jax.image.resize(image, (1, 20, 26, 3), "linear")
    chex.assert_trees_all_close(made, wide[:, 2:18, 5:21], atol=1e-5)
    small = views.center(size=30, fraction=0.8)(key, image[:, :, :30])
    chex.assert_trees_all_equal(small, image[:, :, :30])
    with pytest.raises(ValueError, match="not both"):
        views.center(size=16, resize_to=20, fraction=0.5)


@pytest.mark.parametrize(("stretch", "sides"), [(False, (18, 18)), (True, (20, 18))])
def test_a_fixed_crop_is_a_part_of_the_resized_image(stretch, sides):
    """Its size over that of the image before the cut, at any place of the box."""
    ramp = jnp.arange(24.0)[None, :, None, None] / 24
    across = jnp.arange(24.0)[None, None, :, None] / 24
    image = jnp.concatenate([ramp + 0 * across, across + 0 * ramp], axis=-1)
    batch = jnp.broadcast_to(image, (64, 24, 24, 2))
    box = jnp.broadcast_to(BATCH["box"][:1], (64, 4))
    make = views.fixed_crop(size=8, resize_to=16, flip=0.0, stretch=stretch)
    made = np.asarray(make(jax.random.key(0), batch, box)) * 24
    for axis, (side, start, length) in enumerate(
        zip(sides, (2, 3), (20, 18), strict=True)
    ):
        inside = made[..., axis].mean(axis=2 - axis)
        step = np.diff(inside[:, 1:-1], axis=1).mean()
        np.testing.assert_allclose(step, side / 16, rtol=0.02)
        middle = inside.mean(axis=1) + 0.5 - start
        assert side / 4 - 0.1 <= middle.min() < 0.35 * length
        assert 0.65 * length < middle.max() <= length - side / 4 + 0.1
    with pytest.raises(ValueError, match="at most resize_to = 16; got 20"):
        views.fixed_crop(size=20, resize_to=16)


def test_rotated_copies_carry_their_turns():
    made = views.rotated(view=CROP)(jax.random.key(0), BATCH)["views"]
    for turns, copy in enumerate(made):
        chex.assert_trees_all_equal(copy, augment.rot90(made[0], turns=turns))


def test_domains_have_views_of_their_own_and_flips_are_only_told():
    look = views.center(size=24)
    make = views.two_domains(first=CROP, second=look, flipped=0.5)
    batch = {"image": BATCH["image"], "other": BATCH["image"][::-1]}
    made = make(jax.random.key(1), batch)
    first, second = made["views"]
    assert first.shape == (8, 16, 16, 3)
    chex.assert_trees_all_equal(second, look(None, batch["other"]))
    assert 0 < made["flipped"].sum() < 8
    same = views.two_domains(first=CROP, second=look)(jax.random.key(1), batch)
    chex.assert_trees_all_equal(same["views"], made["views"])
    assert "flipped" not in same
    with pytest.raises(ValueError, match=r"batch\['other'\].*data\.unpaired"):
        make(jax.random.key(1), BATCH)


def test_coordinates_say_where_a_pixel_comes_from():
    ramp = np.broadcast_to(np.arange(24.0)[None, None, :, None] / 23, (8, 24, 24, 1))
    batch = {"image": jnp.asarray(ramp, jnp.float32)}
    op = views.view(size=12, resize="bilinear", scale=(0.3, 0.6))
    made = views.pixel_views(first=op)(jax.random.key(1), batch)
    for i, image in enumerate(made["views"]):
        x0, _, x1, _ = np.asarray(made["coordinates"][:, i]).T
        middle = np.asarray(image).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(middle, (x0 + x1) / 2, atol=0.03)
        rising = np.asarray(image[:, 0, -1, 0] > image[:, 0, 0, 0])
        assert (rising == (x1 > x0)).all()
        assert 0 < rising.sum() < 8


def test_montage_labels_find_their_quarters():
    shade = np.broadcast_to(np.linspace(0, 1, 8)[:, None, None, None], (8, 20, 20, 1))
    plain = views.view(size=4, flip=0.0)
    make = views.montage(view=plain)
    made = make(jax.random.key(0), {"image": jnp.asarray(shade, jnp.float32)})
    picture, permute = np.asarray(made["views"][0]), np.asarray(made["permute"])
    corners = picture[:, [0, 0, 7, 7], [0, 7, 0, 7], 0]
    np.testing.assert_allclose(corners, np.linspace(0, 1, 8)[permute % 8], atol=1e-5)
    assert sorted(permute.ravel()) == list(range(32))


def test_renderings_share_the_crop():
    make = views.renderings(first=CROP, second=views.view(size=8))
    large, small = make(jax.random.key(0), BATCH)["views"]
    chex.assert_trees_all_close(augment.resize(large, size=8), small, atol=0.35)
    means = [np.asarray(v).mean(axis=(1, 2, 3)) for v in (large, small)]
    np.testing.assert_allclose(*means, atol=0.02)


def test_bad_options_are_refused_when_built():
    for options, message in (
        ({"crop": "pytorch"}, "crop rule must be one of 'torchvision', 'tf', 'byol'"),
        ({"scale": (0.0, 1.0)}, "area fractions"),
        ({"blur": 1.5}, r"blur must be in \[0, 1\]"),
        ({"resize": "cubic"}, "bicubic"),
        ({"jitter": (0.4, 0.4)}, "four numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            views.view(size=16, **options)
    make = views.masked(view=CROP, mask=views.hide_patches(patch_size=5))
    with pytest.raises(ValueError, match="patch_size 5"):
        jax.eval_shape(make, jax.random.key(0), BATCH)


def test_a_shared_mask_is_one_for_all_images_and_another_for_each_key():
    make = views.hide_alike(views.hide_units(patch_size=4, unit=32, ratio=0.75))
    image = jnp.zeros((3, 224, 224, 3))
    one, other = (make(jax.random.key(i), image)["mask"] for i in (0, 1))
    chex.assert_trees_all_equal(one, jnp.broadcast_to(one[:1], one.shape))
    assert one[0].sum() == 37 * 64
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    "hide",
    [views.hide_some, lambda **options: views.hide_blocks(count=None, **options)],
)
def test_half_of_the_crops_stay_whole_and_units_are_hidden_whole(hide):
    make = hide(patch_size=4, unit=8)
    mask = jax.jit(make)(jax.random.key(0), jnp.zeros((400, 64, 64, 3)))["mask"]
    units = mask.reshape(400, 8, 2, 8, 2).transpose(0, 1, 3, 2, 4).reshape(400, 64, 4)
    assert np.ptp(units, axis=-1).max() == 0
    count = units[..., 0].sum(axis=1)
    assert abs(np.mean(count == 0) - 0.5) < 4 * 0.5 / 20
    assert 3 <= count[count > 0].min() <= count.max() <= 32
    assert np.unique(count).size > 15
    for options, message in (
        ({"ratios": (0.9,), "spread": (0.1,)}, "nothing would be visible"),
        ({"ratios": (0.0,), "spread": (0.0,)}, "hide no patch of any image"),
        ({"ratios": (0.2,), "spread": (0.3,)}, "leave"),
        ({"unit": 6}, "unit 6 is no multiple of patch_size 4"),
    ):
        with pytest.raises(ValueError, match=message):
            hide(patch_size=4, **options)


def test_channels_are_taken_apart_as_they_are_asked_for():
    key, view = jax.random.key(0), views.view(size=16)
    light, colours = views.channel_views(view=view)(key, BATCH)["views"]
    three = views.channel_views(view=view, channels=(1, 1, 1))(key, BATCH)["views"]
    assert [v.shape[-1] for v in three] == [1, 1, 1]
    both = jnp.concatenate([light, colours], axis=-1)
    chex.assert_trees_all_equal(jnp.concatenate(three, axis=-1), both)
    with pytest.raises(ValueError, match=r"three in all; got \(1, 1\)"):
        views.channel_views(view=view, channels=(1, 1))


def test_a_jitter_of_colours_does_nothing_to_what_is_grey_first():
    coloured = {"size": 16, "jitter": (0, 0, 0.4, 0.4), "jitter_prob": 1.0}
    key, image = jax.random.key(0), BATCH["image"]
    plain = views.view(size=16, grayscale=1.0)(key, image)
    first, last = (
        views.view(**coloured, grayscale=1.0, grey_first=early)(key, image)
        for early in (True, False)
    )
    chex.assert_trees_all_close(first, plain, atol=1e-4)
    assert np.abs(last - plain).max() > 0.01
    np.testing.assert_allclose(np.ptp(last, axis=-1), 0, atol=1e-6)


def test_altered_patches_change_each_patch_on_its_own_and_stay_in_range():
    patches = jnp.broadcast_to(FULL_PATCH, (64, 16, 16, 3))
    made = np.asarray(jax.jit(views.altered_patches())(jax.random.key(2), patches))
    assert 0 <= made.min() <= made.max() <= 1
    assert len(np.unique(made.reshape(64, -1).round(4), axis=0)) > 60
    off = views.altered_patches(
        magnitude=0.0, elastic=0.0, histogram=0.0, jitter=0.0, grayscale=0.0
    )
    chex.assert_trees_all_equal(off(jax.random.key(2), patches), patches)
    grey = views.altered_patches(
        magnitude=0.0, elastic=0.0, histogram=0.0, jitter=0.0, grayscale=0.5
    )(jax.random.key(2), patches)
    share = np.mean(np.ptp(grey, axis=-1).max(axis=(1, 2)) < 1e-5)
    assert abs(share - 0.5) < 4 * 0.5 / 8


@pytest.mark.parametrize(("ratio", "does"), [(0.95, "leaves"), (0.0, "hides")])
def test_a_mask_of_everything_or_nothing_is_refused(ratio, does):
    for mask, parts in (
        (views.hide_patches(patch_size=4, ratio=ratio), "patches"),
        (views.hide_units(patch_size=4, unit=4, ratio=ratio), "units"),
    ):
        with pytest.raises(
            ValueError, match=f"ratio={ratio} {does} none of 16 {parts}"
        ):
            mask(jax.random.key(0), jnp.zeros((2, 16, 16, 3)))


@pytest.mark.parametrize(
    ("mixup", "cutmix", "mixes"),
    [(0.0, 0.0, False), (0.8, 0.0, True), (0.0, 1.0, True), (0.8, 1.0, True)],
)
def test_mixup_and_cutmix_work_alone(mixup, cutmix, mixes):
    """With one of them at 0 nothing was mixed."""
    make = views.fine_tuned(
        view=CROP,
        classes=3,
        augment_magnitude=0.0,
        erase=0.0,
        smoothing=0.0,
        mixup=mixup,
        cutmix=cutmix,
    )
    light = jnp.arange(8.0)[:, None, None, None] / 8
    batch = {**BATCH, "image": jnp.broadcast_to(light, (8, 24, 24, 3))}
    levels, shares = set(), []
    for made in (jax.jit(make)(jax.random.key(i), batch) for i in range(6)):
        assert np.isfinite(made["views"][0]).all()
        levels |= {len(np.unique(v.round(4))) for v in np.asarray(made["views"][0])}
        shares.append(float(np.sort(np.asarray(made["target"]), axis=-1)[:, 1].max()))
    assert (max(shares) > 0) == mixes
    # Mixup leaves an image of one level one level, cutmix pastes another one.
    assert (max(levels) == 2) == bool(cutmix)


def test_erased_boxes_hold_the_noise_of_the_data():
    make = views.fine_tuned(
        view=CROP, classes=3, augment_magnitude=0.0, erase=1.0, mixup=0.0, cutmix=0.0
    )
    image = jnp.full((64, 24, 24, 3), 0.9)
    batch = {"image": image, "label": jnp.zeros(64, jnp.int32)}
    made = np.asarray(make(jax.random.key(0), batch)["views"][0])
    noise = made[np.abs(made - 0.9) > 1e-4]
    assert abs(noise.mean() - 0.5) < 0.02
    assert abs(noise.std() - 0.25) < 0.02


def test_normalising_is_the_last_step_of_every_array():
    plain = BUILDERS["jigsaw"]
    make = views.normalized(plain, statistics=((0.5, 0.4, 0.3), (0.1, 0.2, 0.4)))
    before, after = (f(jax.random.key(0), BATCH) for f in (plain, make))
    mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.1, 0.2, 0.4])
    wanted = (np.asarray(before["views"][0]) - mean) / std
    np.testing.assert_allclose(after["views"][0], wanted, atol=1e-5)
    assert views.normalized(plain) is plain
    with pytest.raises(ValueError, match="no statistics called 'imagnet'"):
        views.normalized(plain, statistics="imagnet")
    grey = views.normalized(BUILDERS["lab"], statistics="imagenet")
    with pytest.raises(ValueError, match="the images have 1"):
        grey(jax.random.key(0), BATCH)


TAKING_A_VIEW = {
    "channel_views": {},
    "fine_tuned": {"classes": 3},
    "image_rows": {"height": 5},
    "jigsaw": {"tile": 3},
    "lab": {},
    "one_view": {},
    "overlapping_patches": {"size": 6, "stride": 3, "window": None},
    "rotated": {},
    "tiled": {"tile": 4},
}


@pytest.mark.parametrize("name", TAKING_A_VIEW)
def test_any_builder_is_an_evaluation_over_the_centre(name):
    """What CMC and Colorization are evaluated on is their own views of the centre."""
    spec = {"name": name, "view": {"name": "center", "size": 15}, **TAKING_A_VIEW[name]}
    make = calls.build(spec, Builder)
    made = jax.eval_shape(make, jax.random.key(0), BATCH)
    assert all(len(view) == 8 for view in made["views"])


def test_grey_reads_a_jitter_that_is_made_once():
    """A loop of both would change the colours anew for each sum that is grey."""
    make = views.view(size=8, jitter=(0.0, 0.0, 0.0, 0.2), grayscale=0.5)
    image = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
    program = jax.jit(make).lower(jax.random.key(0), image).compile()
    loops = program.as_text().split("\n\n")
    grey = [loop for loop in loops if "0.587" in loop]
    assert grey
    assert not [loop for loop in grey if "floor(" in loop]
    assert [loop for loop in loops if "floor(" in loop]
