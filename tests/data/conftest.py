import io

import numpy as np
import pytest
from PIL import Image

from sslax import data


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """One data folder, so that the sample is prepared once."""
    return tmp_path_factory.mktemp("sets")


@pytest.fixture(scope="session")
def sample(data_dir):
    return {
        split: data.fashion_mnist_sample(split=split, data_dir=data_dir)
        for split in ("train", "test")
    }


@pytest.fixture(scope="session")
def picture():
    """The bytes of a smooth image file: height, width, format, mode."""

    def encode(height, width, kind="jpeg", mode="RGB", **options):
        rows = np.linspace(0, 255, height)[:, None]
        columns = np.linspace(0, 255, width)[None, :]
        planes = [rows + 0 * columns, columns + 0 * rows, 255 - rows + 0 * columns]
        image = Image.fromarray(np.stack(planes, -1).astype(np.uint8)).convert(mode)
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture
def folder(tmp_path, picture):
    """Writes files below a folder, {path: bytes}, or images of 12 by 16 for None."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(12, 16) if content is None else content)
        return tmp_path

    return write
