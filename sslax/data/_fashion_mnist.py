"""Fashion-MNIST: the bundled sample, and the whole set where it is on the machine."""

from __future__ import annotations

import os
from pathlib import Path

from sslax.data import _tfds
from sslax.data._arrays import in_arrays
from sslax.data._fields import LABEL, picture
from sslax.data._idx import FILES, read_pair
from sslax.data._sources import Source

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
FOLDER = Path(__file__).parent / "fashion_mnist_sample"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def fashion_mnist_sample(
    *, split: str = "train", data_dir: str | os.PathLike | None = None
) -> Source:
    """Opens the sample of Fashion-MNIST that comes with sslax.

    The first 1,000 training and 500 test images of each of the ten classes, 28 by 28;
    where TFDS is installed it is written as a set of it on first use.

    Args:
      split: "train", 10,000 images, or "test", 5,000.
      data_dir: the folder of prepared sets; by default $SSLAX_DATA_DIR, or sslax in the
        user's cache folder.

    Returns:
      The source.

    Raises:
      ValueError: if there is no such split, or the folder cannot be written.

    References:
      Xiao, Rasul, Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking
      Machine Learning Algorithms, 2017, arXiv:1708.07747.
    """
    try:
        _tfds.library()
    except ImportError:
        return from_idx(FOLDER, split, set=_tfds.SAMPLE)
    return _tfds.tfds(set=_tfds.SAMPLE, split=split, data_dir=data_dir)


def fashion_mnist(
    *, split: str = "train", data_dir: str | os.PathLike | None = None
) -> Source:
    """Opens Fashion-MNIST, all 60,000 and 10,000 images, where it is on the machine.

    Args:
      split: "train" or "test".
      data_dir: the folder of prepared sets; by default as for `tfds`. The authors' four
        files may lie in `fashion_mnist` there, or where Debian puts them.

    Returns:
      The source.

    Raises:
      ValueError: if there is no such split, or the set is not on the machine; the
        message says how to get it.

    References:
      Xiao, Rasul, Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking
      Machine Learning Algorithms, 2017, arXiv:1708.07747.
    """
    folder = _tfds.folder_of(data_dir)
    found = find_idx_folder(folder or _tfds.default_data_dir())
    if found is not None:
        return from_idx(found, split)
    if _tfds.find_prepared("fashion_mnist", folder) is None:
        raise ValueError(
            f"'fashion_mnist' is not on this machine: neither in {DEBIAN_FOLDER}, where"
            " apt install dataset-fashion-mnist puts it on Debian and Ubuntu, nor"
            f" prepared in {folder or _tfds.default_data_dir()}, where sslax prepare"
            " fashion_mnist puts it (after pip install 'sslax[tf]'). A part of it comes"
            " with sslax: 'fashion_mnist_sample'"
        )
    return _tfds.tfds(set="fashion_mnist", split=split, data_dir=data_dir)


def find_idx_folder(data_dir: Path) -> Path | None:
    """The folder with the authors' four gzip files, if the machine has one."""
    for folder in (data_dir / "fashion_mnist", DEBIAN_FOLDER):
        if (folder / "train-images-idx3-ubyte.gz").is_file():
            return folder
    return None


def described() -> Source:
    """What is known of either without reading it: a source without examples."""
    fields = {"image": picture(28, 28, 1), "label": LABEL}
    return Source(
        name="fashion_mnist",
        length=0,
        read=_tfds.no_examples,
        fields=fields,
        class_names=CLASSES,
    )


def from_idx(folder: Path, split: str, set: str = "fashion_mnist") -> Source:
    """The source of one split, out of a folder of packed IDX files."""
    if split not in FILES:
        raise ValueError(f"{set!r} has no split {split!r}; it has {', '.join(FILES)}")
    images, labels = read_pair(folder, split, ".xz" if folder == FOLDER else ".gz")
    return in_arrays(
        {"image": images, "label": labels},
        {"image": picture(*images.shape[1:])},
        name=f"{set}/{split}",
        class_names=CLASSES,
    )
