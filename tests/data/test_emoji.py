"""Emoji of an npm package as pictures with captions."""

import json

import numpy as np
import pytest
from PIL import Image

from sslax import data


def entry(image, name, *short_names, **more):
    return {"name": name, "short_names": short_names, "image": image} | more


@pytest.fixture
def package(tmp_path):
    """A package of two emoji, one of which has tones that one vendor lacks."""
    tone = {"image": "b-1.png", "has_img_google": True}
    both = {"image": "b-1-2.png", "has_img_google": True}
    lacks = {"image": "b-9.png", "has_img_google": False}
    tones = {"1F3FB": tone, "1F3FB-1F3FF": both, "1F3FF": lacks}
    table = [
        entry("a.png", "GRINNING FACE", "grinning", has_img_google=True),
        entry("b.png", "Raised Hands", "raised_hands", has_img_google=True)
        | {"skin_variations": tones},
        entry("c.png", "NEVER DRAWN", "never", has_img_google=False),
    ]
    folder = tmp_path / "emoji-datasource-google"
    pictures = folder / "img" / "google" / "64"
    pictures.mkdir(parents=True)
    (folder / "emoji.json").write_text(json.dumps(table))
    for i, name in enumerate(("a", "b", "b-1", "b-1-2")):
        image = np.zeros((64, 64, 4), np.uint8)
        image[:32] = (10 * i, 20, 30, 255)
        image[32:] = (0, 0, 0, 128)
        Image.fromarray(image).save(pictures / f"{name}.png")
    return folder


def test_pictures_lie_on_white_beside_their_names(package, tmp_path):
    folder = data.prepare(f"emoji:{package}", tmp_path / "sets")
    assert folder == tmp_path / "sets" / "emoji" / "google"
    source = data.captioned(path=folder)
    assert [source.captions(i) for i in range(len(source))] == [
        ("grinning face", "grinning"),
        ("raised hands",),
        ("raised hands, light skin tone",),
        ("raised hands, light skin tone and dark skin tone",),
    ]
    image = np.asarray(source[2]["image"])
    assert image.shape == (64, 64, 3)
    np.testing.assert_array_equal(image[0, 0], (20, 20, 30))
    np.testing.assert_array_equal(image[-1, -1], (127, 127, 127))


def test_tones_are_in_the_split_of_their_emoji_for_every_vendor(tmp_path):
    def split(vendor):
        table, more = [], {f"has_img_{vendor}": True}
        pictures = tmp_path / vendor / "img" / vendor / "64"
        pictures.mkdir(parents=True)
        for i in range(60):
            tones = {"1F3FB": {"image": f"{i}-1.png", **more}}
            table.append(entry(f"{i}.png", f"{i}", skin_variations=tones, **more))
            for name in (f"{i}.png", f"{i}-1.png"):
                Image.new("RGBA", (64, 64), "red").save(pictures / name)
        (tmp_path / vendor / "emoji.json").write_text(json.dumps(table))
        folder = data.prepare(f"emoji:{tmp_path / vendor}", tmp_path / "sets")
        return data.captioned(path=folder, split="test")

    ours, theirs = split("x"), split("y")
    names = [ours.captions(i)[0] for i in range(len(ours))]
    assert names == [theirs.captions(i)[0] for i in range(len(theirs))]
    assert 0 < len(names) < 40
    plain = {name for name in names if "," not in name}
    assert {name.partition(",")[0] for name in names} == plain
    assert len(names) == 2 * len(plain)


def test_what_was_prepared_is_left_as_it_is(package, tmp_path):
    folder = data.prepare(f"emoji:{package}", tmp_path)
    (folder / "captions.csv").write_text("file,caption\na.png,mine\n")
    assert data.prepare(f"emoji:{package}", tmp_path) == folder
    assert data.captioned(path=folder).captions(0) == ("mine",)


def test_no_package_and_lost_pictures_are_named(package, tmp_path):
    with pytest.raises(ValueError, match=r"no emoji package: .* it has neither"):
        data.prepare(f"emoji:{tmp_path}", tmp_path / "sets")
    (package / "img/google/64/b-1.png").unlink()
    with pytest.raises(
        ValueError, match=r"lists 4 emoji of google, of which 1 are not"
    ):
        data.prepare(f"emoji:{package}", tmp_path / "sets")
    assert not (tmp_path / "sets").exists()
    with pytest.raises(ValueError, match="takes no size: only videos do"):
        data.prepare(f"emoji:{package}", tmp_path / "sets", size=32)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no list in JSON"),
        ("3", "is no list in JSON"),
        ('["a"]', r"(?s)entry 0 of .* is not of the form of .*; it has 'a'"),
        ('[{"name": "a", "image": "a.png"}]', r"KeyError: 'short_names'.*'image'"),
    ],
)
def test_a_table_of_another_form_is_refused(package, tmp_path, text, message):
    (package / "emoji.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        data.prepare(f"emoji:{package}", tmp_path / "sets")
