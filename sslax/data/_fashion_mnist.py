"""Fashion-MNIST, the whole set, where it is on the machine."""

from __future__ import annotations

from pathlib import Path

from sslax.data._idx import FILES, read_pair
from sslax.data._sources import ArraySource

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def find_idx_folder(data_dir: Path) -> Path | None:
    """The folder with the authors' four gzip files, if the machine has one."""
    for folder in (data_dir / "fashion_mnist", DEBIAN_FOLDER):
        if (folder / "train-images-idx3-ubyte.gz").is_file():
            return folder
    return None


def from_idx(folder: Path, split: str) -> ArraySource:
    """The source of one split, out of a folder of gzip IDX files."""
    if split not in FILES:
        raise ValueError(
            f"fashion_mnist has no split {split!r}; it has {', '.join(FILES)}"
        )
    images, labels = read_pair(folder, split, ".gz")
    return ArraySource(
        {"image": images, "label": labels}, name="fashion_mnist", class_names=CLASSES
    )
