"""Disks that fill up, folders that cannot be written, and two runs in one folder."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.reliability import ends, launch
from experiments.reliability.kills import options, whole
from experiments.reliability.trial import (
    Outcome,
    Trial,
    is_a_sentence,
    pretrain,
    said_briefly,
)

_ROOM = "16m"


def trials(home: Path) -> Iterator[Trial]:
    """What a small file system of one's own shows; it needs the rights to mount one."""
    for kib in (80, 200, 400):
        for method in ("moco", "curl"):
            run = partial(_full, home, method, kib)
            yield Trial("storage: full disk", f"{method} {kib} KiB", run)
    for command in ("pretrain", "evaluate", "embed"):
        yield Trial("storage: read-only", command, partial(_read_only, home, command))
    yield Trial("storage: two runs", "the second later", partial(_two, home, 5))
    yield Trial("storage: two runs", "both at once", partial(_two, home, 0))


@contextlib.contextmanager
def small_disk(folder: Path, size: str):
    """A file system of this size at a folder."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def _full(home: Path, method: str, kib: int, folder: Path) -> Outcome:
    """Stops with a sentence, also when begun again; with room it ends as ever."""
    disk, wanted = folder / "disk", whole(home, method)
    command = pretrain(method, disk / "run", *options(home, method))
    with small_disk(disk, f"{kib}k"):
        seen = []
        for i in range(2):
            ended = launch.run(command, folder / f"full{i}.log")
            seen.append(said_briefly(ended))
            if ended.code not in (1, 2) or not is_a_sentence(ended):
                return Outcome(
                    False, f"{len(ended.said.splitlines())} lines: {seen[-1]}"
                )
            if "No space left" not in ended.said:
                return Outcome(False, seen[-1])
        _remount(disk, f"size={_ROOM}")
        again = launch.run(command, folder / "again.log")
        if again.code:
            return Outcome(False, said_briefly(again))
        differ = ends.differences(disk / "run", wanted)
        return Outcome(not differ, "; ".join([seen[0], *differ[:2]]))


def _read_only(home: Path, command: str, folder: Path) -> Outcome:
    """Whoever must write says that it cannot; who only reads does its work."""
    disk = folder / "disk"
    whole(home, "moco")
    with small_disk(disk, _ROOM):
        shutil.copytree(home / "whole" / "moco", disk / "run")
        _remount(disk, "ro")
        arguments = [command, f"--workdir={disk / 'run'}"]
        if command == "pretrain":
            arguments = pretrain("moco", disk / "run")
        if command == "embed":
            arguments += [f"--out={folder / 'features.npz'}"]
        ended = launch.run(arguments, folder / "said.log")
        if command == "embed":
            good = not ended.code and (folder / "features.npz").exists()
        else:
            good = ended.code == 2 and "cannot be written" in ended.said
        return Outcome(good and is_a_sentence(ended), said_briefly(ended))


def _two(home: Path, step: int, folder: Path) -> Outcome:
    """One of them is refused and touches nothing, the other ends as if alone."""
    run, wanted = folder / "run", whole(home, "moco")
    first = launch.start(pretrain("moco", run), folder / "first.log")
    if not launch.until(first, lambda: launch.step_of(run) >= step):
        return Outcome(False, said_briefly(launch.wait(first)))
    second = launch.start(pretrain("moco", run), folder / "second.log")
    both = sorted([launch.wait(first), launch.wait(second)], key=lambda x: x.code)
    differ = ends.differences(run, wanted)
    codes = [x.code for x in both]
    note = said_briefly(both[1])
    good = codes == [0, 2] and "in use" in both[1].said and not differ
    return Outcome(good, "; ".join([note, *differ[:2]]))
