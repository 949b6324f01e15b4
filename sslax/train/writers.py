"""Where numbers go: metrics.jsonl always, TensorBoard event files beside it, W&B.

A writer is a pair of functions: `write(step, scalars)` and `close()`.
"""

from __future__ import annotations

import importlib.util
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from etils import epath

__all__ = [
    "Writer",
    "both",
    "check_wandb",
    "jsonl",
    "read_jsonl",
    "silent",
    "tensorboard",
    "wandb",
]


class Writer(NamedTuple):
    """Where numbers go.

    Attributes:
      write: `(step, scalars)`.
      close: `()`.
    """

    write: Callable[[int, Mapping[str, float]], None]
    close: Callable[[], None]


def silent() -> Writer:
    """A writer that writes nothing: for all processes but the first.

    Returns:
      A writer.
    """
    return Writer(lambda step, scalars: None, lambda: None)


def jsonl(path, *, start: int = 0) -> Writer:
    """Appends a JSON object a row; rows after `start` belong to a run that was cut off.

    Args:
      path: the file.
      start: the step at which the run goes on; rows of later steps are dropped.

    Returns:
      A writer.
    """
    path = epath.Path(path)
    rows = [row for row in read_jsonl(path) if row["step"] <= start]
    new = path.with_name(f".{path.name}.new")  # a kill in between loses no row
    new.write_text("".join(json.dumps(row) + "\n" for row in rows))
    new.replace(path)
    file = path.open("a")

    def write(step, scalars):
        file.write(json.dumps({"step": step, **scalars}) + "\n")
        file.flush()

    return Writer(write, file.close)


def read_jsonl(path) -> list[dict[str, Any]]:
    """The rows of a metrics file; a last row cut off in the middle is left out.

    Args:
      path: the file.

    Returns:
      Its rows; none if there is no file.
    """
    path = epath.Path(path)
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def tensorboard(folder, *, start: int = 0) -> Writer:
    """TensorBoard event files, by tensorboardX, on disk after every write.

    Args:
      folder: where they go.
      start: the step at which the run goes on; TensorBoard is told to forget the points
        of later steps, which a run that was cut off has left.

    Returns:
      A writer.
    """
    # Slow to import. The file is written here: SummaryWriter leaves it to a thread, and
    # a run that is killed loses what the thread has not written.
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.summary import scalar

    folder = epath.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    events = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
    begins = SessionLog(status=SessionLog.START)
    events.write_event(Event(wall_time=time.time(), step=start + 1, session_log=begins))

    def write(step, scalars):
        for name, value in scalars.items():
            point = Event(wall_time=time.time(), step=step, summary=scalar(name, value))
            events.write_event(point)
        events.flush()

    return Writer(write, events.close)


def check_wandb() -> None:
    """Checks that Weights & Biases is there, before a run begins.

    Raises:
      ValueError: if it is not installed.
    """
    if importlib.util.find_spec("wandb") is None:
        raise ValueError(
            "config.wandb names a project, and Weights & Biases is not installed: "
            "pip install 'sslax[wandb]', or leave it out with --config.wandb="
        )


def wandb(folder, *, project: str, config: Mapping[str, Any]) -> Writer:
    """A run of Weights & Biases, the same one when the run goes on.

    Its environment says the rest: WANDB_MODE=offline, WANDB_ENTITY and others. Numbers
    of a step that it has seen already are those that it has, and are not sent again.

    Args:
      folder: the folder of the run, whose name it has; files of W&B go there where it
        is on this machine.
      project: the project.
      config: the resolved config, shown beside the numbers.

    Returns:
      A writer.

    Raises:
      ValueError: if W&B does not begin, as without a login.
    """
    import wandb as library  # slow to import, an extra

    folder = epath.Path(folder)
    known = folder / "wandb_id"
    if not known.exists():
        known.write_text(uuid.uuid4().hex[:16])
    try:
        run = library.init(
            project=project,
            name=folder.name,
            id=known.read_text(),
            resume="allow",
            dir=None if "://" in str(folder) else str(folder),
            config=dict(config),
        )
    except library.errors.Error as error:
        raise ValueError(
            f"Weights & Biases does not begin: {str(error).rstrip('.')}. Log in with "
            "`wandb login`, or set WANDB_MODE=offline and send the numbers later with "
            "`wandb sync`"
        ) from error
    return Writer(lambda step, scalars: run.log(dict(scalars), step=step), run.finish)


def both(*writers: Writer) -> Writer:
    """Writes to all of several writers.

    Args:
      *writers: the writers.

    Returns:
      A writer.
    """

    def write(step, scalars):
        for writer in writers:
            writer.write(step, scalars)

    def close():
        for writer in writers:
            writer.close()

    return Writer(write, close)
