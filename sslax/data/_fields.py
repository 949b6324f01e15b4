"""What examples are made of: fields, of which some are pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from sslax.data._decode import decode, fitted, place, resize

Example = dict[str, Any]


class Field(NamedTuple):
    """One entry of the examples of a source.

    Attributes:
      shape: of one example; the sides of pictures that differ are None.
      dtype: its NumPy dtype.
      kind: "picture" [h w c] is decoded and put on a canvas, with its box; "mask" [h w]
        and "point" (row, column, in pixels) follow a picture there; "value" is passed
        on as it is.
      of: the picture that a mask or a point belongs to.
      upright: turn the picture as its EXIF orientation says.
    """

    shape: tuple[int | None, ...] = ()
    dtype: str = "int32"
    kind: str = "value"
    of: str = "image"
    upright: bool = False

    @property
    def reading(self) -> dict[str, Any]:
        """The arguments that make a source of files read pictures like this one."""
        bits = 16 if self.dtype == "uint16" else 8
        return {"channels": self.shape[-1], "bits": bits, "upright": self.upright}


Fields = Mapping[str, Field]
LABEL = Field()


def picture(
    height: int | None, width: int | None, channels: int, dtype: str = "uint8"
) -> Field:
    """The field of a picture, of one size for all examples or of any (None)."""
    return Field((height, width, channels), dtype, "picture")


def box_of(name: str) -> str:
    """The field with the box of a picture: "box" for "image", else "other_box"."""
    return "box" if name == "image" else f"{name}_box"


def pictures(fields: Fields) -> tuple[str, ...]:
    """The names of the fields that are pictures."""
    return tuple(name for name, field in fields.items() if field.kind == "picture")


def decoded(
    example: Example, fields: Fields, canvas: int | None, by: str = "pillow"
) -> Example:
    """An example whose pictures are arrays, at most as large as the canvas.

    Raises:
      One of `BAD_IMAGE`: if a picture cannot be decoded.
    """
    out = dict(example)
    for name in pictures(fields):
        content, field = example[name], fields[name]
        if isinstance(content, bytes):
            out[name] = decode(
                content,
                channels=field.shape[-1] or 3,
                canvas=canvas,
                dtype=field.dtype,
                upright=field.upright,
                by=by,
            )
    return out


def on_canvas(
    example: Example, fields: Fields, canvas: int, by: str = "pillow"
) -> Example:
    """Shrinks pictures to the canvas if need be, places them and adds their boxes."""
    out = dict(example)
    for name in pictures(fields):
        if box_of(name) in example:  # it lies on a canvas already
            continue
        image = example[name]
        size = fitted(*image.shape[:2], canvas)
        out[name], out[box_of(name)] = place(resize(image, size, by=by), canvas)
        for other, field in fields.items():
            if field.of == name and field.kind in ("mask", "point"):
                out[other] = _followed(example[other], field.kind, image, size, canvas)
    return out


def _followed(value: Any, kind: str, image: np.ndarray, size, canvas: int):
    if kind == "point":
        scale = np.divide(size, image.shape[:2])
        return (value * scale).astype(np.float32)
    mask = resize(value[..., None], size, nearest=True)
    return place(mask, canvas)[0][..., 0]


def batch_fields(fields: Fields, canvas: int | None) -> dict[str, Field]:
    """The fields of a batch: shapes on the canvas, boxes and the index added.

    Args:
      fields: those of the source.
      canvas: the side of the square that pictures are put on, or None.
    """
    out = {**fields, "index": LABEL}
    for name in pictures(fields) if canvas is not None else ():
        if box_of(name) in fields:
            continue
        out[name] = fields[name]._replace(shape=(canvas, canvas, fields[name].shape[2]))
        out[box_of(name)] = Field((4,), "float32")
        for other, field in fields.items():
            if field.of == name and field.kind == "mask":
                out[other] = field._replace(shape=(canvas, canvas))
    return out
