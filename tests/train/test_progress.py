"""The line that a person sees while a run goes on."""

import os
import shutil
import sys
from types import SimpleNamespace

import jax
import numpy as np

from sslax import sharding
from sslax.train.progress import announcement, progress


def test_what_is_about_to_be_done_is_said_with_its_views():
    views = {"name": "background", "foreground": "saliency", "probability": 0.2}
    views["then"] = {"name": "two_views"}
    config = {"method": {"name": "moco"}, "data": {"train": "folder:pets"}}
    config |= {"views": views, "batch_size": 2048, "steps": 1500}
    program = SimpleNamespace(
        mesh=sharding.make_mesh(devices=jax.devices()[:2]),
        shapes=SimpleNamespace(params={"kernel": np.zeros((40, 30))}),
    )
    loader = SimpleNamespace(source=range(7000))
    run = SimpleNamespace(config=config, program=program, loader=loader)
    assert announcement(run, 500) == (
        "moco with 1,200 parameters on 7,000 examples of folder:pets, "
        "background(foreground=saliency, probability=0.2); batch 2,048 on 2 cpu "
        "devices, 1,000 steps after 500; compiling"
    )


def test_a_live_line_never_wraps(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        shutil, "get_terminal_size", lambda *args, **kwargs: os.terminal_size((40, 24))
    )
    show = progress(100, batch_size=8, show=True)
    show(10, {"images_per_second": 3.14159, "ssl/loss": 1.5, "other/loss": 2.5})
    show(100, {"images_per_second": 1234.5, "ssl/loss": 1.25, "knn": 50.0})
    shown = capsys.readouterr().err
    assert shown.startswith("\r\x1b[Kstep 10/100  3.1 images/s  left ")
    lines = shown.replace("\n", "").split("\r\x1b[K")[1:]
    assert [len(line) for line in lines] == [39, 39]
    assert lines[1].startswith("step 100/100  1,234 images/s")
    assert shown.endswith("\n")


def test_only_one_process_speaks(capsys):
    progress(10, batch_size=8, show=False)(10, {"ssl/loss": 1.0})
    assert capsys.readouterr().err == ""
