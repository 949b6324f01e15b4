"""Records of sets of tensorflow-datasets as examples: images, labels, captions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from sslax.data._fields import LABEL, Example, Field, picture
from sslax.data._sources import Source, numbered

_CAPTIONS = ("caption", "captions", "text")
_TEXTS = ("text", "caption")


def library() -> ModuleType:
    """The package tensorflow-datasets.

    Raises:
      ImportError: if it is not installed; the message says how to get it.
    """
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "sets of tensorflow-datasets, such as cifar10, need it: pip install"
            " 'sslax[tfds]'. Folders (folder:/path), tables, arrays, drawn sets and the"
            " bundled sample do not"
        ) from error
    return tensorflow_datasets


def fields_of(info: Any) -> tuple[dict[str, Field], tuple[str, ...] | None]:
    """The fields of the examples of a set, and the names of its classes."""
    image_key, label_key = _keys(info)
    fields = {"image": _field(info.features[image_key])}
    if label_key is None:
        return fields, None
    return {**fields, "label": LABEL}, tuple(info.features[label_key].names)


def source_of(builder: Any, split: str, name: str, captions: str | None) -> Source:
    """The source of a split of a prepared set; see `tfds`.

    Raises:
      ValueError: if no feature with texts has the name `captions`.
      NotImplementedError: if the set is stored without random access.
    """
    tfds = library()
    image_key, label_key = _keys(builder.info)
    fields, names = fields_of(builder.info)
    texts = _texts(builder.info, captions)
    records = builder.as_data_source(
        split, decoders={image_key: tfds.decode.SkipDecoding()}
    )
    return Source(
        name=name,
        length=len(records),
        read=partial(_read, records, image_key, label_key),
        fields=fields,
        class_names=names,
        captions=None if texts is None else partial(_captions, records, texts, name),
    )


def _field(feature: Any) -> Field:
    height, width, channels = feature.shape
    dtype = "uint16" if feature.np_dtype == np.uint16 else "uint8"
    return picture(height, width, channels or 3, dtype)


def _read(
    records: Any, image_key: str, label_key: str | None, indices: Sequence[int], draws
) -> list[Example]:
    del draws
    read = records.__getitems__([int(i) for i in indices])
    if label_key is None:
        return [{"image": record[image_key]} for record in read]
    return [
        {"image": record[image_key], "label": int(record[label_key])} for record in read
    ]


def _keys(info: Any) -> tuple[str, str | None]:
    """The names of the image and of the class label among the features of a set."""
    tfds = library()
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


def _texts(info: Any, name: str | None) -> tuple[str, ...] | None:
    """The keys that lead to the captions of a record, None where it has none."""
    found = {key: _path(feature) for key, feature in info.features.items()}
    there = sorted(key for key, path in found.items() if path is not None)
    if name is None:
        name = next((key for key in _CAPTIONS if key in there), None)
    elif name not in there:
        raise ValueError(
            f"{info.name!r} has no texts that are called {name!r}; it has"
            f" {', '.join(there) or 'none'}"
        )
    return None if name is None else (name, *(found[name] or ()))


def _path(feature: Any) -> tuple[str, ...] | None:
    """The keys below a feature that lead to a text or several; None without."""
    features = library().features
    if type(feature) is features.Sequence:
        feature = feature.feature
    if isinstance(feature, features.FeaturesDict):
        texts = [key for key, inner in feature.items() if _is_text(inner)]
        named = [key for key in _TEXTS if key in texts]
        chosen = named or (texts if len(texts) == 1 else [])
        return (chosen[0],) if chosen else None
    return () if _is_text(feature) else None


def _is_text(feature: Any) -> bool:
    is_plain = isinstance(feature, library().features.Tensor) and feature.shape == ()
    return is_plain and feature.np_dtype == np.object_


def _captions(
    records: Any, texts: Sequence[str], name: str, index: int
) -> tuple[str, ...]:
    """The texts of a record, whose image stays as it is; empty ones are left out."""
    value = records[int(index)]
    for key in texts:
        value = value[key]
    several = [value] if isinstance(value, bytes | str) else list(value)
    try:
        told = [x.decode() if isinstance(x, bytes) else x for x in several]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"a caption of {numbered(name, index)} is not UTF-8: {error}"
        ) from error
    told = [caption.strip() for caption in told if caption.strip()]
    if not told:
        raise ValueError(f"{numbered(name, index)} has no caption")
    return tuple(told)
