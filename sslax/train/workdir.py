"""The folder of a run: its config, and a refusal to mix two runs."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from typing import Any

from absl import logging
from etils import epath

from sslax.train.together import from_first

__all__ = [
    "absolute",
    "check_writable",
    "config_differences",
    "open_workdir",
    "read_config",
    "record_config",
    "stored_steps",
]

_ELSEWHERE = "choose another --workdir"
_CONFIG = "config.json"
_EMPTY = (None, "", [], {})


def absolute(folder: Any) -> epath.Path:
    """A path as Orbax wants it.

    Args:
      folder: a path; a URL such as gs:// is whole already.

    Returns:
      The absolute path.
    """
    path = epath.Path(folder)
    return path if "://" in str(path) else path.resolve()


def open_workdir(
    path: str, config: Mapping[str, Any], *, allow_config_change: bool = False
) -> epath.Path:
    """Makes the folder of a run, or checks that it belongs to the same config.

    Nothing of a run that is there is touched; see `record_config`. A folder without a
    checkpoint holds nothing to lose and may be used by any run.

    Args:
      path: the folder; anything that etils.epath can open.
      config: the resolved config, plain numbers, strings, lists and dicts.
      allow_config_change: go on under another config.

    Returns:
      The folder.

    Raises:
      ValueError: if the folder cannot be written, or holds a run of another config; the
        message lists the fields that differ.
    """
    folder = epath.Path(path)

    def check() -> None:
        check_writable(path)
        old = _stored(folder) if stored_steps(folder) else None
        if old is None or allow_config_change:
            return
        differences = config_differences(old, config)
        if differences:
            listed = "\n  ".join(differences)
            raise ValueError(
                f"workdir {path!r} holds a run of another config:\n  {listed}\n"
                "Use another --workdir, or --allow_config_change to go on under the "
                "new config."
            )

    from_first(check)
    return folder


def record_config(folder: Any, config: Mapping[str, Any]) -> None:
    """Writes the config of a run that is about to start, whole or not at all.

    Process 0 writes to another name and renames, and only where something changes, so
    that a reader at any moment, or after a kill, finds one config or the other.

    Args:
      folder: the folder of the run.
      config: the resolved config.

    Raises:
      ValueError: if it cannot be written.
    """
    file = epath.Path(folder) / _CONFIG
    text = json.dumps(_plain(config), indent=2) + "\n"

    def write() -> None:
        try:
            if file.exists() and file.read_text() == text:
                return
            new = file.with_name(f".{_CONFIG}.{_unique()}")
            new.write_text(text)
            new.replace(file)
        except OSError as error:
            raise _unwritable(str(folder), error, _ELSEWHERE) from error

    from_first(write)


def read_config(path: str) -> dict[str, Any]:
    """The config of the run in a folder.

    Where the file is damaged the one beside the newest checkpoint is taken.

    Args:
      path: the folder of a run.

    Returns:
      The resolved config as plain values.

    Raises:
      ValueError: if no run is there.
    """
    stored = _stored(epath.Path(path))
    if stored is None:
        stages = sorted(p.parent.name for p in epath.Path(path).glob(f"*/{_CONFIG}"))
        raise ValueError(
            f"workdir {path!r} holds no run (no {_CONFIG}); give the --workdir of a "
            f"pretraining{', here that of one of ' + str(stages) if stages else ''}"
        )
    return stored


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
    # A field that a later version has added, and that is empty, changes nothing.
    for one, other in ((before, after), (after, before)):
        for name in one.keys() - other.keys():
            if one[name] in _EMPTY:
                del one[name]
    return [
        f"{name}: {before.get(name, 'absent')} -> {after.get(name, 'absent')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name, "absent") != after.get(name, "absent")
    ]


def check_writable(path: str, *, otherwise: str = _ELSEWHERE) -> None:
    """Tries to write, under a name that no other start of the same run uses.

    Args:
      path: the folder; it is made if it is not there.
      otherwise: what to do where rights cannot be had.

    Raises:
      ValueError: if it cannot be written, or is a file.
    """
    folder = epath.Path(path)
    if folder.is_file():
        raise ValueError(f"workdir {path!r} is a file; a run needs a folder")
    probe = folder / f".writable.{_unique()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("written")
        probe.unlink()
    except OSError as error:
        raise _unwritable(path, error, otherwise) from error


def _unwritable(path: str, error: OSError, otherwise: str) -> ValueError:
    return ValueError(
        f"workdir {path!r} cannot be written ({error}); make room or give rights, or "
        f"{otherwise}"
    )


def _unique() -> str:
    return f"{os.getpid()}.{uuid.uuid4().hex[:8]}"


def stored_steps(folder: epath.Path) -> list[int]:
    """The steps of the checkpoints in a folder.

    Args:
      folder: the folder of a run.

    Returns:
      Numbers, the newest first.
    """
    checkpoints = folder / "checkpoints"
    names = [p.name for p in checkpoints.iterdir()] if checkpoints.exists() else []
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def _stored(folder: epath.Path) -> dict[str, Any] | None:
    file = folder / _CONFIG
    found = _read(file)
    if found is not None or not (file.exists() or stored_steps(folder)):
        return found
    logging.warning(
        "%s is missing or damaged; the config of the newest checkpoint is taken", file
    )
    # As Orbax lays out what `checkpoints.save` gives it.
    copies = [folder / "checkpoints" / str(s) / "config" for s in stored_steps(folder)]
    read = (_read(copy / "metadata") for copy in copies)
    return next((config for config in read if config is not None), None)


def _read(file: epath.Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _plain(value: Any) -> Any:
    """As JSON would give it back, so that tuples and lists compare equal."""
    return json.loads(json.dumps(value))


def _flatten(prefix: str, value: Any):
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else key, part)
    else:
        yield prefix, value
