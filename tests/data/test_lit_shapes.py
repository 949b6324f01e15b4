"""Scenes by day and by night, and domains beside each other."""

import numpy as np
import pytest

from sslax import data


def test_a_scene_is_the_same_by_day_and_by_night():
    day, night = (data.lit_shapes(look=look, size=16) for look in ("day", "night"))
    other = data.lit_shapes(look="night", size=16, seed=1)
    for i in range(8):
        a, b = day[i], night[i]
        assert a["label"] == b["label"] == i
        np.testing.assert_array_equal(a["foreground"], b["foreground"])
        assert (b["image"] != other[i]["image"]).any()
        inside = a["foreground"].astype(bool)
        # No rising curve leads from the one to the other.
        assert a["image"][inside].mean() + 50 < a["image"][~inside].mean()
        assert b["image"][inside].mean() > b["image"][~inside].mean() + 50
    assert data.source("lit_shapes/test[:4]").name.startswith("lit_shapes/test by day")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"look": "noon"}, r"look is 'noon'; expected one of \['day', 'night'\]"),
        ({"size": 2}, "size is 2, at least 4"),
        ({"length": 0}, "length is 0, at least 1"),
    ],
)
def test_scenes_that_cannot_be_drawn_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        data.lit_shapes(**options)


def test_a_domain_of_one_image_is_refused():
    one, several = data.lit_shapes(length=1), data.lit_shapes(look="night", length=3)
    with pytest.raises(ValueError, match="by day has one image; a domain needs"):
        data.unpaired(first=one, second=several)


def test_domains_are_known_before_they_are_there():
    call = {"name": "unpaired", "first": "cifar10/train", "second": "cifar10/test"}
    known = data.shapes(data.described(call), batch_size=2)
    assert known["image"].shape == known["other"].shape == (2, 32, 32, 3)
    assert data.described({**call, "second": "folder:/nowhere"}) is None
