"""Sets of tensorflow-datasets, read without TensorFlow."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sslax.data._sources import Source

log = logging.getLogger(__name__)

SAMPLE = "fashion_mnist_sample"
_PREPARING = threading.Lock()


def default_data_dir() -> Path:
    """Where sets are kept: $SSLAX_DATA_DIR, or sslax in the user's cache folder."""
    if chosen := os.environ.get("SSLAX_DATA_DIR"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "sslax"


class TfdsSource(Source):
    """One split of a prepared set; images are decoded here, not by TFDS."""

    def __init__(self, builder: Any, split: str, **about: Any) -> None:
        import tensorflow_datasets as tfds

        image_key, label_key = _keys(builder.info)
        features = builder.info.features
        shape = features[image_key].shape
        names = None if label_key is None else tuple(features[label_key].names)
        super().__init__(
            class_names=names,
            channels=1 if shape[-1] == 1 else 3,
            image_shape=shape if _is_fixed(shape) else None,
            **about,
        )
        self.keys = (image_key, label_key)
        self.records = builder.as_data_source(
            split, decoders={image_key: tfds.decode.SkipDecoding()}
        )

    def __len__(self) -> int:
        return len(self.records)

    def read(self, index: int) -> dict[str, Any]:
        return self._example(self.records[index])

    def read_many(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        records = self.records.__getitems__(list(indices))
        return [self._example(record) for record in records]

    def _example(self, record: dict[str, Any]) -> dict[str, Any]:
        image_key, label_key = self.keys
        label = -1 if label_key is None else int(record[label_key])
        return {"image": record[image_key], "label": label}


def _is_fixed(shape: tuple) -> bool:
    return None not in shape and shape[-1] in (1, 3)


def _keys(info: Any) -> tuple[str, str | None]:
    """The names of the image and of the class label among the features of a set."""
    import tensorflow_datasets as tfds

    kinds = {key: type(feature) for key, feature in info.features.items()}
    images = [key for key, kind in kinds.items() if kind is tfds.features.Image]
    labels = [key for key, kind in kinds.items() if kind is tfds.features.ClassLabel]
    supervised = info.supervised_keys or ()
    if not images:
        raise ValueError(f"{info.name} has no image among its features: {list(kinds)}")

    def choose(keys: list[str], usual: str) -> str | None:
        named = [key for key in keys if key in supervised or key == usual]
        return (named or keys or [None])[0]

    return choose(images, "image"), choose(labels, "label")


def find_prepared(name: str, data_dir: Path | None) -> Any | None:
    """The builder of a set whose files are on the machine, or None."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import naming, read_only_builder

    found, options = naming.parse_builder_name_kwargs(name)
    folders = [data_dir] if data_dir else [default_data_dir(), None]
    for folder in folders:
        with contextlib.suppress(tfds.core.DatasetNotFoundError):
            return read_only_builder.builder_from_files(
                found.name, **options, data_dir=folder and os.fspath(folder)
            )
    return None


def open_tfds(
    name: str, split: str, *, data_dir: Path | None = None, on_error: str = "stop"
) -> TfdsSource:
    """One split of a prepared set; the bundled sample is prepared on first use."""
    builder = find_prepared(name, data_dir)
    if builder is None and name == SAMPLE:
        prepare_sample(data_dir)
        builder = find_prepared(name, data_dir)
    if builder is None:
        raise ValueError(
            f"{name!r} is not prepared on this machine (looked in"
            f" {data_dir or default_data_dir()}). To prepare it once: pip install"
            f" 'sslax[tf]', then sslax prepare {name}. Reading it needs no TensorFlow"
        )
    if split not in builder.info.splits:
        raise ValueError(
            f"{name!r} has no split {split!r}; it has {', '.join(builder.info.splits)}"
        )
    try:
        return TfdsSource(builder, split, name=name, on_error=on_error)
    except NotImplementedError as error:
        raise ValueError(
            f"{name!r} in {builder.data_dir} is stored as {builder.info.file_format},"
            " which has no random access. To store it as array_record: sslax prepare"
            f" {name}"
        ) from error


def stock_names() -> list[str]:
    """The names of all sets that TFDS has a builder for."""
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def prepare_sample(data_dir: Path | None) -> Path:
    """Write the bundled sample as array_record, once, and return its folder.

    Several processes may do so at the same time, on one or several machines: each
    writes into a folder of its own, and the first to be ready moves it into place.
    """
    from sslax.data._fashion_mnist_sample import FashionMnistSample

    folder = Path(data_dir or default_data_dir())
    target = folder / SAMPLE / str(FashionMnistSample.VERSION)
    with _PREPARING:
        if not target.is_dir():
            log.info("preparing %s in %s", SAMPLE, folder)
            _write_sample(FashionMnistSample, folder, target)
    return target


def _write_sample(builder_class: type, folder: Path, target: Path) -> None:
    import tensorflow_datasets as tfds

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        own = Path(tempfile.mkdtemp(prefix="incomplete.", dir=folder))
    except OSError as error:
        raise ValueError(
            f"the data folder {str(folder)!r} cannot be written: {error}. Choose"
            " another one by data_dir or by $SSLAX_DATA_DIR"
        ) from error
    tfds.disable_progress_bar()
    try:
        # TFDS prints the name of a folder that is about to be moved.
        with contextlib.redirect_stdout(None):
            builder = builder_class(data_dir=own, file_format="array_record")
            builder.download_and_prepare()
        try:
            Path(builder.data_dir).rename(target)
        except OSError:
            if not target.is_dir():
                raise
            # Another process was faster; its files are the same.
    finally:
        tfds.enable_progress_bar()
        shutil.rmtree(own, ignore_errors=True)


def prepare_stock(name: str, data_dir: Path | None) -> Path:
    """Download a stock set and write it as array_record. It needs TensorFlow.

    Raises:
        ValueError: when TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ValueError(
            f"preparing {name!r} needs TensorFlow, which is not installed: pip install"
            " 'sslax[tf]' (tensorflow-cpu). Only preparing needs it, once"
        )
    import tensorflow_datasets as tfds

    folder = Path(data_dir or default_data_dir())
    builder = tfds.builder(name, data_dir=folder, file_format="array_record")
    builder.download_and_prepare()
    return Path(builder.data_dir)
