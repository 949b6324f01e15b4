"""Commands in processes of their own, which begin with everything imported.

A process is forked from this one, which has imported sslax and JAX and never asked for
a device: what it then does is `sslax ARGUMENTS`, without the seconds of importing.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import jax
from tensorboardX import proto  # noqa: F401 - imported here once

from sslax import data, methods, models, optim, stages, views  # noqa: F401 - as well
from sslax.commands import main, overrides  # noqa: F401
from sslax.train import checkpoints  # noqa: F401

ROOT = Path(__file__).parent.parent.parent
_CACHE = ROOT / ".cache" / "reliability"


class Child(NamedTuple):
    """A command that runs.

    Attributes:
      pid: of its process.
      log: the file of all that it prints.
      what: the command, for messages.
    """

    pid: int
    log: Path
    what: str


class Ended(NamedTuple):
    """A command that has ended.

    Attributes:
      code: the exit status, -n after signal n.
      said: all that it printed.
      seconds: how long it was waited for.
    """

    code: int
    said: str
    seconds: float


def start(
    arguments: Sequence[str], log: Path, *, devices: int = 1, limits: Callable = int
) -> Child:
    """Starts `sslax ARGUMENTS`.

    Args:
      arguments: of the command line.
      log: the file to write what is printed to.
      devices: of the CPU, as many as wanted.
      limits: called in the new process, before the command.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()  # whoever waits for a word in it may look at once
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _become(lambda: _command(arguments), log, devices, limits)
    return Child(pid, log, " ".join(arguments))


def wait(child: Child, timeout: float = 1800) -> Ended:
    """Waits for the end of a command; one that takes too long is killed."""
    began = time.monotonic()
    while (code := ended(child)) is None:
        if time.monotonic() - began > timeout:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            said = child.log.read_text(errors="replace")
            raise TimeoutError(f"{child.what} takes over {timeout} s:\n{said[-2000:]}")
        time.sleep(0.01)
    said = child.log.read_text(errors="replace")
    return Ended(code, said, time.monotonic() - began)


def ended(child: Child) -> int | None:
    """The exit status of a command that has ended, and None while it runs."""
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def run(
    arguments: Sequence[str], log: Path, *, timeout: float = 1800, **options: Any
) -> Ended:
    """Starts a command and waits for its end."""
    return wait(start(arguments, log, **options), timeout)


def kill(child: Child, number: int = signal.SIGKILL) -> None:
    """Sends a signal to a command that may have ended."""
    os.kill(child.pid, number)  # not waited for yet: its number is still its own


def asked(function: Callable[..., Any], *given: Any, devices: int = 1) -> Any:
    """What a function gives in a process of its own: plain values, or its error."""
    with tempfile.TemporaryDirectory() as name:
        answer, log = Path(name) / "answer", Path(name) / "log"
        pid = os.fork()
        if pid == 0:
            _become(lambda: _answer(function, given, answer), log, devices, int)
        wait(Child(pid, log, function.__name__))
        if not answer.exists():
            raise RuntimeError(f"{function.__name__}: {log.read_text()[-3000:]}")
        return json.loads(answer.read_text())


def _answer(function, given, file: Path) -> int:
    file.write_text(json.dumps(function(*given)))
    return 0


def _command(arguments: Sequence[str]) -> int:
    logging.root.handlers.clear()  # as in a process that has logged nothing yet
    sys.argv = ["sslax", *arguments]
    try:
        main.main()
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def _become(work: Callable[[], int], log: Path, devices: int, limits) -> NoReturn:
    """Does the work of a forked process and ends it: its parent's stack is not its."""
    code = 70
    try:
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(target, number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        jax.config.update("jax_num_cpu_devices", devices)
        if devices > 1:  # they share a pool of threads, in which collectives wait
            os.environ["PJRT_NPROC"] = str(4 * devices)
        jax.config.update("jax_compilation_cache_dir", str(_CACHE))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        limits()
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def rows(folder: Path) -> list[Mapping[str, Any]]:
    """The whole rows of a run's metrics."""
    file, found = folder / "metrics.jsonl", []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:  # is being written
            break
    return found


def step_of(folder: Path) -> int:
    """The newest step in a run's metrics; 0 before the first."""
    table = rows(folder)
    return table[-1]["step"] if table else 0


def until(
    child: Child,
    reached: Callable[[], bool],
    timeout: float = 1800,
    pause: float = 0.002,
) -> bool:
    """Waits until something is reached; False if the command ends before."""
    limit = time.monotonic() + timeout
    while not reached():
        info = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is not None:
            return False
        if time.monotonic() > limit:
            raise TimeoutError(f"{child.what}: not reached in {timeout} s")
        time.sleep(pause)
    return True
