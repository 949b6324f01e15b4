"""What an adapter reads of a case, and which of its outputs a stored name means."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


class Reading(Mapping):
    """A mapping that remembers which of its entries were read, at any depth.

    To ask whether a name is there is not to read it.
    """

    def __init__(self, values: Mapping[str, Any]):
        self._values = {key: _wrapped(value) for key, value in values.items()}
        self._read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        self._read.add(key)
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def replaced(self, values: Mapping[str, Any]) -> Reading:
        """The same with other values, which shares what is remembered."""
        other = Reading({**self._values, **values})
        other._read = self._read
        return other

    def unread(self) -> list[str]:
        """The names that nobody read; those of inner mappings with dots."""
        names = []
        for key, value in self._values.items():
            if key not in self._read:
                names.append(key)
                continue
            inner = value if isinstance(value, list) else [value]
            inner = [part for part in inner if isinstance(part, Reading)]
            names += [f"{key}.{name}" for part in inner for name in part.unread()]
        return sorted(set(names))


def _wrapped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Reading(value)
    if isinstance(value, list):
        return [_wrapped(part) for part in value]
    return value


def choice(parameters: Mapping[str, Any], name: str, meanings: Mapping) -> Any:
    """What the value of a parameter means; values that are not known are errors."""
    value = parameters[name]
    if value not in meanings:
        known = ", ".join(map(repr, meanings))
        raise ValueError(f"parameter {name!r} is {value!r}; known are {known}")
    return meanings[value]


def pair(value: Any) -> tuple:
    """Height and width, of which one number gives both."""
    return tuple(value) if isinstance(value, list | tuple) else (value, value)


def quantities(values: Any) -> np.ndarray:
    """Mean, deviation and percentiles, as stored."""
    values = np.asarray(values, np.float64)
    points = np.percentile(values, (0, 1, 5, 25, 50, 75, 95, 99, 100))
    return np.concatenate([[values.mean(), values.std()], points])


def met(patterns: Mapping[str, str], name: str) -> str | None:
    """The reason of the first pattern that a name, or its end, meets."""
    names = {name, name.split("/", 1)[-1]}
    reasons = (
        reason
        for pattern, reason in patterns.items()
        if any(fnmatch.fnmatchcase(each, pattern) for each in names)
    )
    return next(reasons, None)


# Stored names that mean a part of another output.
PARTS = {
    r"(.+)_first_?(\d+)(?:_values_per_patch)?": lambda x, n: x[..., : int(n)],
    # Maps are [b c h w].
    r"(.+)_mean_per_channel": lambda x: np.mean(x, axis=(0, 2, 3)),
}


def find(outputs: Mapping[str, Any], name: str) -> Any | None:
    """The output that a stored name means, or None.

    It is the output of that name; or what a family gives, an output whose name has
    `{}` and whose value is a function of the texts in their place; or a part.
    """
    if name in outputs:
        return outputs[name]
    for family, function in outputs.items():
        if "{}" in family:
            match = re.fullmatch("(.+)".join(map(re.escape, family.split("{}"))), name)
            if match:
                return function(*match.groups())
    for pattern, part in PARTS.items():
        match = re.fullmatch(pattern, name)
        if match and match[1] in outputs:
            return part(outputs[match[1]], *match.groups()[1:])
    return None
