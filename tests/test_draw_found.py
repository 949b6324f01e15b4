"""The pictures of a page are found again, row by row."""

import sys

import numpy as np
from PIL import Image

from experiments import draw_found
from sslax.evaluate.tasks import Pictures
from sslax.results.report import write_pictures


def test_rows_of_a_page_are_rows_of_the_picture(tmp_path, monkeypatch, capsys):
    levels = np.uint8([[10, 60, 110], [30, 80, 130]])
    rows = [("", [np.full((8, 8, 3), x, np.uint8) for x in row]) for row in levels]
    sections = [
        Pictures("one", "", rows[:1], False, [["a", "b", "c"]]),
        Pictures("another", "", rows[1:], True),
    ]
    page, out = tmp_path / "page.html", tmp_path / "found.png"
    write_pictures(page, title="page", pictures=sections)
    command = ["draw_found", str(page), f"--out={out}", "--side=8"]
    monkeypatch.setattr(sys, "argv", command)
    draw_found.main()
    assert "2 rows of 3" in capsys.readouterr().out
    with Image.open(out) as picture:
        drawn = np.asarray(picture.convert("RGB"))
    assert (drawn[4::12, 4::12] == levels[..., None]).all()
