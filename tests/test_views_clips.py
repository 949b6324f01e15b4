"""Views of clips: what is shuffled, reversed, shifted, and what follows."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from sslax import views

COUNT, LENGTH, SIDE, PER, MELS = 8, 9, 12, 2, 3
FRAMES, AHEAD, SIZE = 4, 2, 6
KEY = jax.random.key(3)


def clips():
    """The grey of a pixel tells its clip, time and row; flow its time; sound too."""
    clip, time, row, _ = np.ogrid[:COUNT, :LENGTH, :SIDE, :SIDE]
    value = (clip * LENGTH + time) * SIDE + row + np.zeros((1, 1, 1, SIDE))
    value = value / value.max()
    clip, tick, mel = np.ogrid[:COUNT, : PER * LENGTH, :MELS]
    return {
        "video": jnp.asarray(np.repeat(value[..., None], 3, axis=-1), jnp.float32),
        "flow": jnp.asarray(
            np.stack([value, 2 * value], axis=-1).astype(np.float16), jnp.float16
        ),
        "sound": jnp.asarray(1000 * clip + 10 * tick + mel, jnp.float32),
        "has_sound": jnp.arange(COUNT) != 5,
    }


@functools.cache
def usual():
    return made(clips())


def made(batch, **options):
    options = {"flip": 0.0, "reach": 2.0, **options}
    make = views.clips(size=SIZE, frames=FRAMES, ahead=AHEAD, **options)
    return jax.jit(make)(KEY, batch)


def ticks(sound):
    """Clip and tick of every spectrum."""
    value = np.asarray(sound[..., 0, 0])
    return value // 1000, value % 1000 / 10


def test_windows_are_of_one_place_and_time():
    batch = usual()
    colours, flow, grey, sound = batch["views"]
    assert colours.shape == (COUNT, FRAMES, SIZE, SIZE, 3)
    assert sound.shape == (COUNT, PER * FRAMES, MELS, 1)
    np.testing.assert_allclose(grey, colours[..., :1], atol=2e-3)
    np.testing.assert_allclose(flow[..., 0], (grey[..., 0] + 1) / 4, atol=1e-3)
    code = np.rint(
        (np.asarray(grey[..., 0, 0, 0]) + 1) / 2 * (COUNT * LENGTH * SIDE - 1)
    )
    clip, time = code // (LENGTH * SIDE), code // SIDE % LENGTH
    start = time[:, :1]
    np.testing.assert_array_equal(clip, np.arange(COUNT)[:, None] + 0 * time)
    np.testing.assert_array_equal(time, start + np.arange(FRAMES))
    assert len(np.unique(start)) > 1
    heard, tick = ticks(sound)
    np.testing.assert_array_equal(np.delete(heard, 5, 0)[:, 0], [0, 1, 2, 3, 4, 6, 7])
    wanted = PER * start + np.arange(PER * FRAMES)
    np.testing.assert_allclose(tick, wanted, atol=1e-3)
    # What was silent has the sound of another, which the loss masks.
    assert heard[5, 0] != 5
    _, after = ticks(batch["after"][3])
    wanted = PER * (start + FRAMES) + np.arange(PER * AHEAD)
    np.testing.assert_allclose(after, wanted, atol=1e-3)
    _, later = ticks(batch["shifted"][3])
    wanted = PER * (start + AHEAD) + np.arange(PER * FRAMES)
    np.testing.assert_allclose(later, wanted, atol=1e-3)


def test_frames_are_shuffled_together_and_never_in_order():
    batch = usual()
    for now, shuffled in zip(batch["views"][:3], batch["shuffled"][:3], strict=True):
        assert sorted(np.ravel(shuffled)) == sorted(np.ravel(now))
        differs = np.abs(np.asarray(now - shuffled)).max(axis=(1, 2, 3, 4)) > 0
        assert differs.all()
    frames = [
        np.asarray(x[2][..., 0, 0, 0]) for x in (batch["views"], batch["shuffled"])
    ]
    order = np.argmax(frames[1][:, :, None] == frames[0][:, None, :], axis=2)
    _, tick = ticks(batch["views"][3])
    _, heard = ticks(batch["shuffled"][3])
    rows = np.arange(COUNT)[:, None, None]
    pieces = tick.reshape(COUNT, FRAMES, PER)[rows, order[..., None], np.arange(PER)]
    np.testing.assert_allclose(heard, pieces.reshape(COUNT, -1), atol=1e-3)
    two = views.clips(size=SIZE, frames=2, ahead=1, flip=0.0)(KEY, clips())
    assert np.all(
        np.asarray(two["shuffled"][0] != two["views"][0]).any(axis=(1, 2, 3, 4))
    )


def test_backward_motion_has_the_other_sign():
    batch = usual()
    colours, flow, _, sound = batch["views"]
    back = batch["reversed"]
    np.testing.assert_array_equal(back[0], colours[:, ::-1])
    np.testing.assert_array_equal(back[1], -flow[:, ::-1])
    np.testing.assert_array_equal(back[3], sound[:, ::-1])


def test_a_flipped_clip_moves_the_other_way():
    batch = clips()
    plain, flipped = usual(), made(batch, flip=1.0)
    width = batch["video"].at[:].set(np.linspace(0, 1, SIDE)[:, None])
    columns = made({**batch, "video": width}, flip=1.0)["views"][0]
    assert np.all(np.diff(columns, axis=3) < 0)
    right, down = np.moveaxis(np.asarray(plain["views"][1]), -1, 0)
    wanted = np.stack([-right, down], axis=-1)
    np.testing.assert_array_equal(flipped["views"][1], wanted)


def test_statistics_of_sound_and_reach_of_flow():
    batch = made(clips(), sound=(100.0, 50.0), reach=0.1)
    np.testing.assert_allclose(
        batch["views"][3], (usual()["views"][3] - 100) / 50, rtol=1e-5
    )
    assert np.max(batch["views"][1]) == 1.0


def test_eight_devices_make_what_one_makes():
    batch, alone = clips(), made(clips(), flip=0.5)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
    chex.assert_trees_all_close(made(split, flip=0.5), alone, atol=1e-5)


def test_without_sound_there_are_three_modalities():
    batch = {k: v for k, v in clips().items() if "sound" not in k}
    assert len(made(batch)["views"]) == 3


def test_evaluation_sees_the_middle():
    make = views.middle_clip(size=SIZE, frames=FRAMES)
    (seen,) = make(None, clips())["views"]
    wanted = 2 * clips()["video"][:, 2:6, 3:9, 3:9] - 1
    np.testing.assert_allclose(seen, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"video": jnp.ones((2, 5, 12, 12, 3))}, "6 frames of 6 x 6 .*does not fit"),
        ({"video": jnp.ones((2, 9, 12, 4, 3))}, "does not fit clips of shape"),
        ({"sound": jnp.ones((8, 13, 3))}, "13 spectra for 9 frames"),
    ],
)
def test_clips_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        made({**clips(), **changed})


def test_images_are_no_clips():
    with pytest.raises(ValueError, match="clips need `video`"):
        views.middle_clip(size=4, frames=2)(None, {"image": jnp.ones((2, 4, 4, 3))})
    with pytest.raises(ValueError, match="frames is 1; two or more"):
        views.clips(size=4, frames=1, ahead=1)
