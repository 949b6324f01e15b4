"""Draws the pictures of a page, as `sslax search` writes it, into one PNG.

    sslax search --workdir=/tmp/clip --data=objects/test --out=found.html "a red ring"
    python -m experiments.draw_found found.html --out=found.png

A row of the page is a row of the picture; what is said of pictures is left out.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from sslax.train.pictures import as_picture, grid

ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)
PICTURE = re.compile(r'src="data:image/png;base64,([^"]+)"')


def rows_of(page: str) -> list[list[np.ndarray]]:
    """The pictures of each row of a page that has some, uint8 [h w 3]."""
    rows = [PICTURE.findall(row) for row in ROW.findall(page)]
    return [[_decoded(text) for text in row] for row in rows if row]


def _decoded(text: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        return as_picture(np.asarray(picture.convert("RGB")))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=64, help="of each, in pixels")
    options = parser.parse_args()
    rows = rows_of(options.page.read_text())
    columns = [("", list(column)) for column in zip(*rows, strict=False)]
    picture = Image.fromarray(grid(columns, side=options.side))
    # 256 colours are a fifth of the bytes, and look the same.
    picture.quantize(256).save(options.out, optimize=True)
    print(f"wrote {options.out}: {len(rows)} rows of {len(columns)}")


if __name__ == "__main__":
    main()
