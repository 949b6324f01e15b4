"""The folder of a run: its config, and a refusal to mix two runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from etils import epath

__all__ = ["config_differences", "open_workdir", "read_config"]

_CONFIG = "config.json"


def open_workdir(
    path: str, config: Mapping[str, Any], *, allow_config_change: bool = False
) -> epath.Path:
    """Makes the folder of a run, or checks that it belongs to the same config.

    Args:
      path: the folder; anything that etils.epath can open.
      config: the resolved config, plain numbers, strings, lists and dicts.
      allow_config_change: go on under another config, which is then written.

    Returns:
      The folder.

    Raises:
      ValueError: if the folder cannot be written, or holds a run of another config; the
        message lists the fields that differ.
    """
    folder = epath.Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"workdir {path!r} cannot be written ({error}); choose another --workdir"
        ) from error
    file = folder / _CONFIG
    if file.exists() and not allow_config_change:
        differences = config_differences(json.loads(file.read_text()), config)
        if differences:
            listed = "\n  ".join(differences)
            raise ValueError(
                f"workdir {path!r} holds a run of another config:\n  {listed}\n"
                "Use another --workdir, or --allow_config_change to go on under the "
                "new config."
            )
    file.write_text(json.dumps(_plain(config), indent=2) + "\n")
    return folder


def read_config(path: str) -> dict[str, Any]:
    """The config of the run in a folder.

    Args:
      path: the folder of a run.

    Returns:
      The resolved config as plain values.

    Raises:
      ValueError: if no run is there.
    """
    file = epath.Path(path) / _CONFIG
    if not file.exists():
        raise ValueError(
            f"workdir {path!r} holds no run (no {_CONFIG}); give the --workdir of a "
            "pretraining"
        )
    return json.loads(file.read_text())


def config_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two configs, a line a field.

    Args:
      old: a config.
      new: another.

    Returns:
      Lines such as `batch_size: 256 -> 512`, in alphabetical order.

    Example:
      >>> config_differences({"a": {"b": 1}}, {"a": {"b": 2}})
      ['a.b: 1 -> 2']
    """
    before, after = dict(_flatten("", _plain(old))), dict(_flatten("", _plain(new)))
    return [
        f"{name}: {before.get(name, 'absent')} -> {after.get(name, 'absent')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name, "absent") != after.get(name, "absent")
    ]


def _plain(value: Any) -> Any:
    """As JSON would give it back, so that tuples and lists compare equal."""
    return json.loads(json.dumps(value))


def _flatten(prefix: str, value: Any):
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else key, part)
    else:
        yield prefix, value
