"""Data that would be code: pickles, objects, names, links out of a folder.

Each file would, read carelessly, write the canary. What is asked is that it does not.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from experiments.reliability import launch
from experiments.reliability.faulty_data import _images
from experiments.reliability.kills import whole
from experiments.reliability.trial import (
    Outcome,
    Trial,
    is_a_sentence,
    pretrain,
    said_briefly,
)


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


def trials(home: Path) -> Iterator[Trial]:
    """Hostile files, wherever sslax reads some."""
    for name, run in (
        ("an image folder with a pickled array", _array),
        ("weights that are a pickle", partial(_weights, pickled=True)),
        ("weights in an archive that climbs out", partial(_weights, pickled=False)),
        ("a replay buffer of objects", partial(_buffer, home)),
        ("a checkpoint's config of code", partial(_config, home)),
        ("a module beside the config of a run", partial(_module, home)),
        ("a list of files that climbs out", _table),
    ):
        yield Trial("code: " + name, "", partial(_watched, run))


def _watched(run, folder: Path) -> Outcome:
    with tempfile.TemporaryDirectory() as name:  # a path that no shell takes apart
        canary = Path(name) / "canary"
        ended = run(folder, canary)
        if canary.exists():
            return Outcome(False, "code of the file ran")
    told = is_a_sentence(ended) and ended.code in (0, 1, 2)
    return Outcome(told, said_briefly(ended))


def _array(folder: Path, canary: Path) -> launch.Ended:
    images = _images(folder / "images")
    content = io.BytesIO()
    held = np.array([Canary(canary)], dtype=object)
    np.save(content, held, allow_pickle=True)
    (images / "odd.npy").write_bytes(content.getvalue())
    more = (f"--config.data.train=folder:{images}", "--config.data.canvas=24")
    return launch.run(pretrain("moco", folder / "run", *more), folder / "log")


def _weights(folder: Path, canary: Path, *, pickled: bool) -> launch.Ended:
    file = folder / "vit.pth"
    if pickled:
        file.write_bytes(pickle.dumps({"weight": Canary(canary)}))
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/data.pkl", pickle.dumps(Canary(canary), 2))
            archive.writestr(f"archive/{'../' * 12}{canary}", "climbed")
    command = ["convert", "--from=torch", str(file), "--model=resnet50"]
    return launch.run([*command, f"--out={folder}/out"], folder / "log")


def _buffer(home: Path, folder: Path, canary: Path) -> launch.Ended:
    whole(home, "curl")
    run = folder / "run"
    shutil.copytree(home / "whole" / "curl", run)
    for file in (run / "feed").glob("*/steps.npz"):
        with np.load(file) as found:
            arrays = {name: found[name] for name in found.files}
        arrays["frame"] = np.array([Canary(canary)], dtype=object)
        np.savez(file, **arrays)
    return launch.run(pretrain("curl", run), folder / "log")


def _config(home: Path, folder: Path, canary: Path) -> launch.Ended:
    """A name in the config of a run is looked up, and never run as an expression."""
    whole(home, "moco")
    run = folder / "run"
    shutil.copytree(home / "whole" / "moco", run)
    config = json.loads((run / "config.json").read_text())
    config["views"] = {"name": f"__import__('os').system('touch {canary}')"}
    (run / "config.json").write_text(json.dumps(config))
    return launch.run(["evaluate", f"--workdir={run}"], folder / "log")


def _module(home: Path, folder: Path, canary: Path) -> launch.Ended:
    """A run from a stranger brings a module; one stands in its folder to look."""
    whole(home, "moco")
    run = folder / "run"
    shutil.copytree(home / "whole" / "moco", run)
    (run / "brought.py").write_text(f"open({str(canary)!r}, 'w')\n")
    config = json.loads((run / "config.json").read_text())
    config["views"] = {"name": "brought:views"}
    (run / "config.json").write_text(json.dumps(config))
    inside = partial(os.chdir, run)
    return launch.run(["evaluate", "--workdir=."], folder / "log", limits=inside)


def _table(folder: Path, canary: Path) -> launch.Ended:
    """A table names a file outside of its folder: it is read as an image at most."""
    images = _images(folder / "images")
    names = [file.name for file in sorted(images.iterdir())]
    (folder / "secret").write_text(f"touch {canary}")
    rows = ["file", *names, "../secret"]
    (images / "list.csv").write_text("\n".join(rows) + "\n")
    more = (f"--config.data.train=listed:{images}/list.csv", "--config.data.canvas=24")
    return launch.run(pretrain("moco", folder / "run", *more), folder / "log")
