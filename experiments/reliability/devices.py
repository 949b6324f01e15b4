"""Runs that go on on other numbers of devices, processes, and in other layouts."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax

from experiments.reliability import ends, launch
from experiments.reliability.kills import options, whole
from experiments.reliability.trial import Outcome, Trial, pretrain, said_briefly
from sslax.train import checkpoints
from sslax.train.run import build_run

_METHODS = ("moco", "instdisc", "swav")
_STOPS = (15, 35)
_FSDP = (
    "--config.layout=dict(name='fsdp', min_size=8)",  # or all here would stay whole
    "--config.mesh.fsdp=4",
    "--config.mesh.data=2",
)
_SPREAD = (
    "--config.layout=replicated",
    "--config.mesh.fsdp=1",
    "--config.mesh.data=-1",
)
_PATHS = {
    "8 -> 2 -> 1 devices": ((8, ()), (2, ()), (1, ())),
    "1 -> 2 -> 8 devices": ((1, ()), (2, ()), (8, ())),
    "replicated -> fsdp -> replicated": ((8, _SPREAD), (8, _FSDP), (8, _SPREAD)),
    "fsdp on 8 -> replicated on 1": ((8, _FSDP), (1, _SPREAD)),
}
# Sums in another order, carried on by training: the losses drift apart from the first
# step on. What is restored is compared bit by bit.
_NEAR = 0.02
_STATE = ("params", "extra", "opt")


def trials(home: Path) -> Iterator[Trial]:
    """Each way for methods with a queue, a bank by rows, and prototypes."""
    for name, path in _PATHS.items():
        for method in _METHODS:
            run = partial(_moved, home, method, path)
            yield Trial(f"devices: {name}", method, run)
    for method in _METHODS[:2]:
        yield Trial("devices: 2 -> 1 processes", method, partial(_apart, home, method))


def _moved(home: Path, method: str, path, folder: Path) -> Outcome:
    run, wanted = folder / "run", whole(home, method)
    split = []
    for i, (count, fields) in enumerate(path):
        more = [*options(home, method), *fields, "--allow_config_change"]
        command = pretrain(method, run, *more)
        if i:
            wrong, parts = _restored(run, command, count)
            split.append(parts)
            if wrong or (fields is _FSDP and not parts):
                return Outcome(False, wrong or "no array was split")
        child = launch.start(command, folder / f"{i}.log", devices=count)
        if i < len(path) - 1:
            stop = _STOPS[i]
            if not launch.until(child, lambda s=stop: launch.step_of(run) >= s):
                return Outcome(False, said_briefly(launch.wait(child)))
            launch.kill(child, 15)
        ended = launch.wait(child)
        if ended.code:
            return Outcome(False, said_briefly(ended))
    return _near(run, wanted, split)


def _restored(run: Path, command: list[str], count: int) -> tuple[str, int]:
    """What differs once the newest checkpoint lies on other devices, and is split."""
    saved = ends.end_of(run)
    found, split = launch.asked(_placed, command, devices=count)
    wrong = [k for k in saved if k.startswith(_STATE) and found.get(k) != saved[k]]
    return "; ".join(wrong)[:200], split


def _placed(command: list[str]) -> tuple[dict[str, str], int]:
    """The newest checkpoint restored as a command would, saved again and digested.

    Beside the digests: how many arrays no device has whole.
    """
    from sslax.commands import options as given
    from sslax.commands.overrides import load_config

    parsed = given.parse(command[0], command[1:])
    run = build_run(load_config(parsed.config, parsed.overrides), parsed.workdir)
    manager = checkpoints.open_checkpoints(parsed.workdir, read_only=True)
    state = checkpoints.restore_latest(manager, run.program.shapes)
    manager.close()
    again = checkpoints.open_checkpoints(Path(parsed.workdir) / "again")
    checkpoints.save(again, state, {}, None)
    again.wait_until_finished()
    again.close()
    split = sum(not x.is_fully_replicated for x in jax.tree.leaves(state))
    return ends.digests(str(Path(parsed.workdir) / "again")), split


def _near(run: Path, wanted, split: list[int]) -> Outcome:
    rows = {row["step"]: row for row in launch.rows(run)}
    if list(rows) != [row["step"] for row in wanted["rows"]]:
        return Outcome(False, f"rows of steps {list(rows)[-3:]}")
    far = 0.0
    for row in wanted["rows"]:
        other = rows[row["step"]]
        names = [name for name in row if name.endswith("/loss")]
        gaps = [abs(row[n] - other[n]) / max(abs(row[n]), 1.0) for n in names]
        far = max(far, *gaps)
    good = math.isfinite(far) and far < _NEAR
    then = " then ".join(map(str, split))
    return Outcome(
        good,
        f"restored bit by bit, {then} arrays of it in parts; losses within {far:.1e} of"
        " one device's",
    )


def _apart(home: Path, method: str, folder: Path) -> Outcome:
    """Two processes until one of them is told to stop, then one."""
    run, wanted = folder / "run", whole(home, method)
    with socket.socket() as s:
        s.bind(("localhost", 0))
        port = s.getsockname()[1]
    command = pretrain(method, run)
    pair = [f"--coordinator=localhost:{port}", "--processes=2"]
    both = [
        launch.start([*command, *pair, f"--process_id={i}"], folder / f"{i}.log")
        for i in range(2)
    ]
    if not launch.until(both[0], lambda: launch.step_of(run) >= _STOPS[0]):
        return Outcome(False, said_briefly(launch.wait(both[0])))
    launch.kill(both[1], 15)
    for child in both:
        ended = launch.wait(child)
        if ended.code or "asked to stop" not in ended.said:
            return Outcome(False, said_briefly(ended))
    wrong, split = _restored(run, command, 1)
    if wrong:
        return Outcome(False, wrong)
    last = launch.run(command, folder / "last.log")
    if last.code:
        return Outcome(False, said_briefly(last))
    return _near(run, wanted, [split])
