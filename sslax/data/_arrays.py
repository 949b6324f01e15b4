"""Sources in memory: one array for each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from sslax.data._fields import LABEL, Example, Field, Fields, picture
from sslax.data._sources import Source


def arrays(
    images: Any,
    *,
    labels: Any = None,
    class_names: Sequence[str] | None = None,
    fields: Mapping[str, Any] | None = None,
    name: str = "arrays",
) -> Source:
    """Makes a source of arrays that are in memory already.

    Args:
      images: [n h w c] or [n h w], uint8, uint16, or floats in [0, 1].
      labels: class numbers [n], from 0; None where there are none.
      class_names: the names of the classes; by default their numbers.
      fields: other entries of the examples, each [n ...].
      name: what messages call it.

    Returns:
      The source.

    Raises:
      ValueError: if the arrays do not fit together or are no images.

    Example:
      >>> import numpy as np
      >>> from sslax import data
      >>> mine = data.arrays(np.zeros((10, 8, 8, 3), np.uint8), labels=np.arange(10))
      >>> len(mine), mine.num_classes, mine[4]["image"].shape
      (10, 10, (8, 8, 3))
    """
    pixels = _images(np.asarray(images))
    made = {"image": pixels}
    if labels is not None:
        made["label"], class_names = _labels(np.asarray(labels), class_names)
    made |= {key: np.asarray(value) for key, value in (fields or {}).items()}
    for key, array in made.items():
        if array.ndim == 0 or len(array) != len(pixels):
            raise ValueError(
                f"{name} has {len(pixels)} images, and {key} of shape {array.shape}:"
                " every array needs one entry an image"
            )
    kinds = {"image": picture(*pixels.shape[1:], dtype=str(pixels.dtype))}
    names = None if class_names is None else tuple(class_names)
    return in_arrays(made, kinds, name=name, class_names=names)


def _images(images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        images = images[..., None]
    kinds = ("uint8", "uint16")
    is_float = np.issubdtype(images.dtype, np.floating)
    if images.ndim != 4 or not (is_float or str(images.dtype) in kinds):
        raise ValueError(
            f"images are {images.dtype} {list(images.shape)}; expected [n h w c] or"
            " [n h w], uint8, uint16, or floats in [0, 1]"
        )
    return images.astype(np.float32) if is_float else images


def _labels(labels: np.ndarray, names: Sequence[str] | None):
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
        raise ValueError(
            f"labels are {labels.dtype} {list(labels.shape)}; expected class numbers"
            " [n]"
        )
    most = int(labels.max(initial=-1))
    names = tuple(map(str, range(most + 1))) if names is None else tuple(names)
    if most >= len(names):
        raise ValueError(f"a label is {most}, but there are {len(names)} class_names")
    return labels.astype(np.int32), names


def in_arrays(arrays: Mapping[str, np.ndarray], fields: Fields, **about: Any) -> Source:
    """The source of decoded examples; `fields` says which of them are pictures."""
    length = len(next(iter(arrays.values())))
    held = {"index": np.arange(length, dtype=np.int32), **arrays}
    known = {
        key: fields.get(key, Field(array.shape[1:], str(array.dtype)))
        for key, array in held.items()
        if key != "index"
    }
    if "label" in held:
        known["label"] = LABEL
        held["label"] = np.asarray(held["label"], np.int32)
    return Source(
        length=length,
        read=partial(_read, held),
        fields=known,
        labels=held.get("label"),
        arrays=held,
        **about,
    )


def _read(arrays: Mapping[str, np.ndarray], indices: Sequence[int], draws: Any) -> list:
    del draws
    return [{key: array[i] for key, array in arrays.items()} for i in indices]


def row_of(arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> Example:
    """Some rows of all arrays."""
    return {key: array[rows] for key, array in arrays.items()}
