"""Sources by name."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslax.data import _tfds
from sslax.data._fashion_mnist import DEBIAN_FOLDER, find_idx_folder, from_idx
from sslax.data._folder import open_folder
from sslax.data._sources import (
    Source,
    check_on_error,
    parse_split,
    sliced,
)
from sslax.data._synthetic import SyntheticSource

OWN = (_tfds.SAMPLE, "fashion_mnist", "folder", "synthetic")


def source(
    name: str,
    split: str,
    *,
    data_dir: str | os.PathLike | None = None,
    on_error: str = "stop",
    **options: Any,
) -> Source:
    """Open a set of images by name, for reading in any order.

    Args:
        name: one of
            "fashion_mnist_sample", 10,000 and 5,000 bundled images of 28 by 28;
            "fashion_mnist", all 60,000 and 10,000, where they are on the machine;
            "synthetic", drawn shapes on textures, with `size=`, `length=`, `seed=`;
            "folder:/path" (or "folder" with `path=`), images in a folder, with
            `classes=` ("auto", "folders", "none") and `channels=` (3, 1);
            or any set of tensorflow-datasets that is prepared, as "cifar10".
        split: "train", "test" or what else the set has; "train[:1000]" and
            "train[10%:20%]" are parts of it.
        data_dir: the folder of prepared sets; by default $SSLAX_DATA_DIR, or sslax in
            the user's cache folder, or the default folder of TFDS.
        on_error: what a loader does at an example that cannot be read: "stop" raises
            `BadExample`, "skip" takes the next good one and counts.
        **options: of the set, as above.

    Returns:
        A `Source`: `len(source)`; `source[i]` is a dict of `image` uint8 [h w c],
        `label` (-1 when unknown) and `index`; attributes `name`, `num_classes`,
        `class_names` and `image_shape` (each None when there is none).

    Raises:
        ValueError: when there is no such set, split or option, or it is not on the
            machine; the message says how to get it.

    Example:
        >>> from sslax import data
        >>> shapes = data.source("synthetic", "train[:10]", size=32)
        >>> len(shapes), shapes.num_classes, shapes[3]["image"].shape
        (10, 8, (32, 32, 3))
    """
    check_on_error(on_error)
    folder = None if data_dir is None else Path(data_dir).expanduser()
    base, start, stop = parse_split(split)
    if name.startswith("folder:"):
        name, options = "folder", {"path": name.removeprefix("folder:"), **options}
    if name == "synthetic":
        opened = _call(SyntheticSource, name, base, on_error=on_error, **options)
    elif name == "folder":
        opened = _call(open_folder, name, base, on_error=on_error, **options)
    elif options:
        _check_name(name, folder)
        raise ValueError(f"{name} has no option {', '.join(map(repr, options))}")
    elif name == "fashion_mnist":
        opened = _fashion_mnist(base, folder, on_error)
    else:
        _check_name(name, folder)
        opened = _tfds.open_tfds(name, base, data_dir=folder, on_error=on_error)
    return sliced(opened, start, stop)


def prepare(name: str, data_dir: str | os.PathLike | None = None) -> Path:
    """Download or write a set once, so that `source` can read it.

    Args:
        name: the bundled sample, or a set of tensorflow-datasets, as "cifar10"; the
            latter needs TensorFlow (`pip install 'sslax[tf]'`).
        data_dir: the folder of prepared sets; the default is that of `source`.

    Returns:
        The folder of the set.

    Raises:
        ValueError: when there is no such set, or TensorFlow is missing.

    Example:
        >>> from sslax import data
        >>> data.prepare("synthetic")
        Traceback (most recent call last):
        ValueError: 'synthetic' needs no preparing
    """
    folder = None if data_dir is None else Path(data_dir).expanduser()
    if name in ("folder", "synthetic") or name.startswith("folder:"):
        raise ValueError(f"{name!r} needs no preparing")
    if name == _tfds.SAMPLE:
        return _tfds.prepare_sample(folder)
    _check_name(name, folder)
    return _tfds.prepare_stock(name, folder)


def _call(factory: Callable, name: str, split: str, **options: Any) -> Source:
    known = [
        key
        for key, parameter in inspect.signature(factory).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    if unknown := [key for key in options if key not in known]:
        raise ValueError(
            f"{name} has no option {', '.join(map(repr, unknown))}; it has"
            f" {', '.join(known)}"
        )
    if name == "folder" and "path" not in options:
        raise ValueError("folder needs path=, or the name 'folder:/path'")
    return factory(split, **options)


def _fashion_mnist(split: str, data_dir: Path | None, on_error: str) -> Source:
    if folder := find_idx_folder(data_dir or _tfds.default_data_dir()):
        return from_idx(folder, split)
    if _tfds.find_prepared("fashion_mnist", data_dir) is None:
        raise ValueError(
            f"'fashion_mnist' is not on this machine: neither in {DEBIAN_FOLDER}, where"
            " apt install dataset-fashion-mnist puts it on Debian and Ubuntu, nor"
            f" prepared in {data_dir or _tfds.default_data_dir()}, where sslax prepare"
            " fashion_mnist puts it (after pip install 'sslax[tf]'). A part of it comes"
            " with sslax: 'fashion_mnist_sample'"
        )
    return _tfds.open_tfds("fashion_mnist", split, data_dir=data_dir, on_error=on_error)


def _check_name(name: str, data_dir: Path | None) -> None:
    """Raise with the nearest names when neither we nor TFDS know the name."""
    bare = name.split(":")[0].split("/")[0]
    known = {*OWN, *_tfds.stock_names()}
    if name in OWN or bare in known.difference(OWN):
        return
    if _tfds.find_prepared(name, data_dir) is not None:  # one of the user's own
        return
    near = difflib.get_close_matches(bare, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise ValueError(
        f"no set is called {name!r}; {hint}There are {', '.join(OWN)}, and the sets of"
        " tensorflow-datasets"
    )
