"""A run goes on with the images that it began with, or says that they are others."""

from __future__ import annotations

import json
from typing import Any

from etils import epath

from sslax import data
from sslax.train.together import from_first
from sslax.train.workdir import stored_steps

__all__ = ["check_data", "record_data"]

_FILE = "data.json"


def check_data(folder: Any, source: data.Source, *, allow: bool = False) -> None:
    """Stops a run that would go on with other files than those it began with.

    Batches, and what a method remembers of every image, follow from the places of
    images in the data.

    Args:
      folder: the folder of the run.
      source: the training data.
      allow: go on with other files.

    Raises:
      ValueError: if files have come, gone, or changed their size.
    """
    file = epath.Path(folder) / _FILE

    def check() -> None:
        before = _read(file) if stored_steps(file.parent) else None
        now = data.fingerprint(source)
        if allow or before is None or now is None or before == now:
            return
        changed = "names" if before.get("names") != now["names"] else "sizes"
        raise ValueError(
            f"the files of {source.name} are not those that the run began with: their "
            f"{changed} differ. Put them back, use another --workdir, or "
            "--allow_config_change to go on with what is there now."
        )

    from_first(check)


def record_data(folder: Any, source: data.Source) -> None:
    """Keeps what tells the files of a run that is about to start from others.

    Args:
      folder: the folder of the run.
      source: the training data.
    """
    file = epath.Path(folder) / _FILE

    def write() -> None:
        now = data.fingerprint(source)
        if now is not None and now != _read(file):
            new = file.with_name(f".{_FILE}.new")
            new.write_text(json.dumps(now) + "\n")
            new.replace(file)

    from_first(write)


def _read(file: Any) -> dict[str, str] | None:
    """What was kept; none where it is damaged, which is no reason to stop."""
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
