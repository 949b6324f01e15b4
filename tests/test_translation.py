"""What is measured of translations: errors to partners, distances, several runs."""

import numpy as np
import pytest
from PIL import Image

from configs import cut
from experiments import translation
from sslax import evaluate


def flat(images):
    """Mean and deviation of each channel, in place of a network."""
    x = images.reshape(len(images), -1, 3) / 255.0
    return np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=1)


def test_partners_are_the_same_scenes_and_the_others_are_not():
    day, night, other = translation.scenes(cut.get_config("sample"), 12)
    assert day.shape == night.shape == other.shape == (12, 32, 32, 3)
    # Shapes are what is dark by day and bright by night.
    brightness = [x.mean(axis=-1, dtype=np.float64) for x in (day, night, other)]
    alike, unlike = (
        np.corrcoef(brightness[0].ravel(), x.ravel())[0, 1] for x in brightness[1:]
    )
    assert alike < -0.6 < unlike


def test_rows_have_the_error_to_partners_and_the_distance_to_others():
    day, night, other = translation.scenes(cut.get_config("sample"), 64)
    sets = {"as they are": day, "partners": night}
    rows = translation.measure(sets, night, other, flat)
    assert [*rows] == [*sets]
    assert rows["partners"]["error"] == 0.0
    expected = np.abs(day.astype(int) - night).mean()
    assert rows["as they are"]["error"] == pytest.approx(expected)
    far = evaluate.frechet_distance(flat(day), flat(other))
    assert rows["as they are"]["frechet"] == pytest.approx(far)
    for name in ("frechet", "kid"):
        assert rows["partners"][name] < 0.1 * rows["as they are"][name]


def test_several_runs_are_a_mean_and_a_deviation():
    assert translation.cell([3.0]) == "3"
    assert translation.cell([1.0, 3.0]) == "2 ± 1"


def test_the_picture_has_a_row_for_each_set(tmp_path):
    sets = [np.full((3, 8, 8, 3), shade, np.uint8) for shade in (10, 120, 250)]
    translation.draw(str(tmp_path / "rows.png"), sets, count=2)
    drawn = np.asarray(Image.open(tmp_path / "rows.png"))
    assert drawn.shape[0] > drawn.shape[1]
    centres = drawn[np.arange(32, drawn.shape[0], 68), 32, 0]
    assert centres.tolist() == [10, 120, 250]
