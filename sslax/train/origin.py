"""Where a number first stopped being finite, and how that is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

__all__ = ["Origin", "described", "dtype_of", "line_of", "place_of", "told"]


class Origin(NamedTuple):
    """What first was not finite on the way to a value.

    Attributes:
      kind: "nan" or "inf".
      by: the primitive, or "a constant", or "what was given".
      place: layers, from the outermost: "ssl/encoder/ConvNet/bn1"; of what was given
        its path.
      backward: whether it is in the backward pass of these.
      line: the line of the program that asked for it.
      gave: type, shape and range of the result.
      took: of the operands.
      cause: where the inf comes from that made the nan.
      order: of two, the one with the smaller number came first.
    """

    kind: str
    by: str
    place: str
    backward: bool
    line: str
    gave: str
    took: tuple[str, ...]
    cause: Origin | None
    order: int


def told(origin: Origin) -> list[str]:
    """An origin in words, what caused it after it.

    Args:
      origin: where it began.

    Returns:
      Lines.
    """
    passes = "the backward pass of " if origin.backward else ""
    place = f" in {passes}{origin.place}" if origin.place else ""
    lines = [f"{origin.kind} from {origin.by}{place}"]
    if origin.line:
        lines.append(f"  at {origin.line}")
    lines.append(f"  gives {origin.gave}")
    lines += [f"  takes {text}" for text in origin.took]
    if origin.cause:
        first, *others = told(origin.cause)
        lines += [f"  because of {first}", *(f"  {line}" for line in others)]
    return lines


def dtype_of(value: Any) -> Any:
    """The type of an array or a number.

    Args:
      value: either; keys have types of their own.

    Returns:
      The type.
    """
    return value.dtype if hasattr(value, "dtype") else np.result_type(value)


def described(value: Any) -> str:
    """Type, shape and range of an array.

    Args:
      value: an array or a number.

    Returns:
      Words.

    Example:
      >>> described(np.float32([1.0, -2.5, np.nan]))
      'float32[3] from -2.5 to 1, 1 of 3 not finite'
    """
    shape = getattr(value, "shape", ())
    dtype = dtype_of(value)
    kind = f"{dtype}{list(shape)}"
    if not jnp.issubdtype(dtype, jnp.number) or 0 in shape:
        return kind
    x = np.asarray(value)
    x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    good = np.isfinite(x)
    size = np.abs(x[good]) if x.dtype.kind == "c" else x[good]
    parts = [f"from {size.min():.4g} to {size.max():.4g}"] if good.any() else []
    parts += [f"{(~good).sum()} of {x.size} not finite"] if not good.all() else []
    return f"{kind} {', '.join(parts)}"


def place_of(scopes: str) -> tuple[str, bool]:
    """Scopes without what JAX has done to the functions in them.

    Args:
      scopes: as JAX writes them.

    Returns:
      Layers from the outermost, and whether it is their backward pass.

    Example:
      >>> place_of("ssl/transpose(jvp(encoder))/ConvNet/conv1/conv1._convolve")
      ('ssl/encoder/ConvNet/conv1', True)
    """
    plain = re.sub(r"\b(jvp|transpose|vmap|checkpoint|remat\w*)\(|\)", "", scopes)
    parts: list[str] = []
    for part in plain.split("/"):
        own = part.partition(".")[0] in parts[-1:]  # a method of the module before
        if part and "->" not in part and part not in _NO_LAYERS and not own:
            parts.append(part)
    return "/".join(parts), "transpose(" in scopes


_NO_LAYERS = ("checkpoint", "rematted_computation")  # of jax.checkpoint
_PACKAGE = Path(__file__).parent.parent


def line_of(traceback: Any) -> str:
    """The innermost line that is neither JAX's nor another library's.

    Args:
      traceback: of an operation.

    Returns:
      File, line and function, or nothing.
    """
    for frame in traceback.frames if traceback else ():
        file = Path(frame.file_name)
        if file.is_relative_to(_PACKAGE):
            file = file.relative_to(_PACKAGE.parent)
        elif "site-packages" in file.parts or not file.is_absolute():
            continue
        name = frame.function_name.replace("<locals>.", "")
        return f"{file}:{frame.line_num}, in {name}"
    return ""
