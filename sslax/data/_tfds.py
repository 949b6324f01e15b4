"""Sets of tensorflow-datasets, read without TensorFlow."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import logging

from sslax.data._fields import Example
from sslax.data._sources import Source
from sslax.data._tfds_records import fields_of, library, source_of

SAMPLE = "fashion_mnist_sample"
OWN = (SAMPLE, "fashion_mnist", "synthetic", "folder:/path")
_PREPARING = threading.Lock()


def folder_of(data_dir: str | os.PathLike | None) -> Path | None:
    """The folder of prepared sets that was asked for, if one was."""
    return None if data_dir is None else Path(data_dir).expanduser()


def default_data_dir() -> Path:
    """Where sets are kept: $SSLAX_DATA_DIR, or sslax in the user's cache folder."""
    if chosen := os.environ.get("SSLAX_DATA_DIR"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "sslax"


def tfds(
    *,
    set: str,
    split: str = "train",
    captions: str | None = None,
    data_dir: str | os.PathLike | None = None,
) -> Source:
    """Opens a prepared set of tensorflow-datasets; TensorFlow is not needed.

    Args:
      set: its name, as "cifar10" or "imagenet2012_subset/1pct".
      split: one of its splits.
      captions: the feature with the texts of an image, one or several; None for
        `caption`, `captions` or `text`, where the set has it.
      data_dir: the folder of prepared sets; by default $SSLAX_DATA_DIR, or sslax in the
        user's cache folder, or the default folder of TFDS.

    Returns:
      The source, in the stored order, with `captions` where there are some.

    Raises:
      ValueError: if there is no such set, split or text, or it is not prepared; the
        message says how to prepare it.

    Example:
      >>> from sslax import data
      >>> data.tfds(set="cifra10")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      ValueError: no set is called 'cifra10'; did you mean 'cifar10' ...
    """
    folder = folder_of(data_dir)
    builder = _prepared(set, folder)
    splits = builder.info.splits
    if split not in splits:
        raise ValueError(f"{set!r} has no split {split!r}; it has {', '.join(splits)}")
    try:
        return source_of(builder, split, f"{set}/{split}", captions)
    except NotImplementedError as error:
        raise ValueError(
            f"{set!r} in {builder.data_dir} is stored as {builder.info.file_format},"
            " which has no random access. To store it as array_record: sslax prepare"
            f" {set}"
        ) from error


def other_split(name: str, data_dir: Path | None = None) -> str | None:
    """The split of a prepared set to evaluate on: one with labels, if there is one."""
    splits = _prepared(name, data_dir).info.splits
    for split in ("test", "validation"):
        if split in splits:
            source = tfds(set=name, split=split, data_dir=data_dir)
            [example] = source.read([0], [0])
            if example.get("label", 0) >= 0:  # ImageNet's test images have -1
                return split
    return None


def described(name: str) -> Source | None:
    """A set of which only the description is known: it is prepared or not.

    Returns:
      A source without examples, or None where TFDS does not know the set.
    """
    tfds = library()
    try:
        builder = find_prepared(name, None) or tfds.builder(name)
    except tfds.core.DatasetNotFoundError:
        return None
    fields, names = fields_of(builder.info)
    return Source(
        name=name, length=0, read=no_examples, fields=fields, class_names=names
    )


def no_examples(indices: Sequence[int], draws: Sequence[int]) -> list[Example]:
    del draws
    raise IndexError(f"only the description of the set is known, not {indices}")


def _prepared(name: str, folder: Path | None) -> Any:
    """The builder of a set; the bundled sample is prepared on first use."""
    builder = find_prepared(name, folder)
    if builder is None and name == SAMPLE:
        prepare_sample(folder)
        builder = find_prepared(name, folder)
    if builder is None:
        check_name(name, folder)
        raise ValueError(
            f"{name!r} is not prepared on this machine (looked in"
            f" {folder or default_data_dir()}). To prepare it once: pip install"
            f" 'sslax[tf]', then sslax prepare {name}. Reading it needs no TensorFlow"
        )
    return builder


def find_prepared(name: str, data_dir: Path | None) -> Any | None:
    """The builder of a set whose files are on the machine, or None."""
    tfds = library()
    from tensorflow_datasets.core import naming, read_only_builder

    found, options = naming.parse_builder_name_kwargs(name)
    folders = [data_dir] if data_dir else [default_data_dir(), None]
    for folder in folders:
        with contextlib.suppress(tfds.core.DatasetNotFoundError):
            return read_only_builder.builder_from_files(
                found.name, **options, data_dir=folder and os.fspath(folder)
            )
    return None


def check_name(name: str, data_dir: Path | None) -> None:
    """Raises with the nearest names when neither we nor TFDS know the name."""
    tfds = library()
    bare = name.split(":")[0].split("/")[0]
    stock = tfds.list_builders(with_community_datasets=False)
    if name in OWN or bare in stock or find_prepared(name, data_dir) is not None:
        return
    near = difflib.get_close_matches(bare, [*OWN, *stock], n=3, cutoff=0.5)
    if Path(name).expanduser().is_dir():  # a folder that was not said to be one
        near = [f"folder:{name}"]
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise ValueError(
        f"no set is called {name!r}; {hint}There are {', '.join(OWN)}, and the sets of"
        " tensorflow-datasets"
    )


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
            logging.info("preparing %s in %s", SAMPLE, folder)
            _write_sample(FashionMnistSample, folder, target)
    return target


def _write_sample(builder_class: type, folder: Path, target: Path) -> None:
    tfds = library()
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
      ValueError: if TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ValueError(
            f"preparing {name!r} needs TensorFlow, which is not installed: pip install"
            " 'sslax[tf]' (tensorflow-cpu). Only preparing needs it, once"
        )
    tfds = library()
    folder = Path(data_dir or default_data_dir())
    builder = tfds.builder(name, data_dir=folder, file_format="array_record")
    builder.download_and_prepare()
    return Path(builder.data_dir)
