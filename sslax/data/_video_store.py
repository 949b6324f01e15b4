"""What `prepare` stores of a folder of videos: frames, flow and sound of each."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from sslax.data._moving import SOUNDS
from sslax.data._tfds import default_data_dir
from sslax.data._video import BadVideo, Frame, check_packages, flow, opened
from sslax.data._walk import files_below

INDEX, ABOUT = "index.json", "about.json"
_SAID = 100
"""After so many videos a line is logged."""


class Form(NamedTuple):
    """What frames, flow and sound are like; others are stored elsewhere.

    Attributes:
      size: side of the frames in pixels.
      rate: frames a second.
      mels: bands of the sound.
    """

    size: int = 128
    rate: int = 10
    mels: int = 64


def check_form(form: Form) -> None:
    """Raises if a number makes no sense."""
    for what, value, least in (("size", form.size, 4), ("rate", form.rate, 1)):
        if value < least or value != int(value):
            raise ValueError(
                f"clips: {what} is {value}, a whole number of at least {least}"
            )
    if form.mels < 4:
        raise ValueError(f"clips: mels is {form.mels}, at least 4")


def store_of(path: str | os.PathLike, data_dir: Path | None, form: Form) -> Path:
    """The folder of what is stored of the videos below a path."""
    top = Path(path).expanduser().resolve()
    mark = hashlib.sha256(os.fspath(top).encode()).hexdigest()[:8]
    name = f"{form.size}px_{form.rate}fps_{form.mels}mels"
    return Path(data_dir or default_data_dir()) / "clips" / f"{top.name}-{mark}" / name


def command_of(path: str | os.PathLike, data_dir: Path | None, form: Form) -> str:
    """The command that stores them."""
    parts = ["sslax prepare", f"clips:{os.fspath(path)}"]
    given = zip(form._fields, form, Form(), strict=True)
    parts += [f"--{what}={value}" for what, value, usual in given if value != usual]
    parts += [] if data_dir is None else [f"--data_dir={data_dir}"]
    return " ".join(parts)


def read_index(store: Path) -> Mapping[str, Mapping[str, Any]]:
    """What is stored by file, relative to the folder of videos.

    Each has the `bytes` of the file, and a `problem` or else `frames` (how many have a
    flow), `rate` (of the file), `sound` (whether there is some) and `repeated` (frames
    that show the same as the one before).
    """
    file = store / INDEX
    return json.loads(file.read_text()) if file.is_file() else {}


def prepare_clips(path: str, data_dir: Path | None, **options: int) -> Path:
    """Stores frames, flow and sound of all videos below a folder.

    What is stored already, of a file that has not changed, is kept: a run that was
    stopped goes on. Files that cannot be used are said by name, and known to `clips`.

    Raises:
      ValueError: if there is no video, a package is missing, or an option makes no
        sense.
    """
    if unknown := sorted(set(options) - set(Form._fields)):
        raise ValueError(f"videos take {', '.join(Form._fields)}; not {unknown[0]!r}")
    form = Form(**options)
    check_form(form)
    check_packages()
    top = Path(path).expanduser()
    files = files_below(top, "video") if top.is_dir() else []
    if not files:
        raise ValueError(f"there is no video below {str(path)!r}")
    store = store_of(path, data_dir, form)
    store.mkdir(parents=True, exist_ok=True)
    logging.info("preparing %d videos in %s", len(files), store)
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        made = threads.map(partial(_stored, top, store, form), files)
        found = {}
        for file, about in zip(files, made, strict=True):
            found[file] = about
            if problem := about.get("problem"):
                logging.warning("%s: %s", top / file, problem)
            if len(found) % _SAID == 0:
                logging.info("%d of %d videos are prepared", len(found), len(files))
    _write(store / INDEX, found)
    return store


def _stored(top: Path, store: Path, form: Form, file: str) -> dict[str, Any]:
    """What is known of a file, which is read if it was not, or has changed."""
    size, about = os.stat(top / file).st_size, store / file / ABOUT
    if about.is_file():
        known = json.loads(about.read_text())
        if known["bytes"] == size:
            return known
    own = Path(tempfile.mkdtemp(prefix="incomplete.", dir=store))
    try:
        try:
            found = {"bytes": size, **_written(top / file, own, form)}
        except BadVideo as error:
            found = {"bytes": size, "problem": str(error)}
        _write(own / ABOUT, found)
        shutil.rmtree(store / file, ignore_errors=True)
        (store / file).parent.mkdir(parents=True, exist_ok=True)
        own.rename(store / file)
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return found


def _written(file: Path, own: Path, form: Form) -> dict[str, Any]:
    """Writes the arrays of a file, and says what they are."""
    with opened(file) as video:
        with (own / "video").open("wb") as frames, (own / "flow").open("wb") as flows:
            count, repeated = 0, []
            seen = video.frames(size=form.size, rate=form.rate)
            # Of the last frame nobody knows where it goes: it is left out.
            for count, (frame, after) in enumerate(itertools.pairwise(seen), start=1):
                frames.write(frame.pixels.tobytes())
                flows.write(_flow(frame, after).tobytes())
                repeated += [count] if frame.number == after.number else []
        if video.count == 1:
            raise BadVideo("it has one frame, and nothing moves")
        sound = video.sound(rate=form.rate, mels=form.mels, frames=count)
        if sound is not None:
            (own / "sound").write_bytes(sound.tobytes())
    return {
        "frames": count,
        "rate": video.count / (video.end - video.start),
        "sound": sound is not None,
        "repeated": [i for i in repeated if i < count],
    }


def _flow(before: Frame, after: Frame) -> np.ndarray:
    if before.number == after.number:
        return np.zeros((*before.pixels.shape[:2], 2), np.float16)
    return flow(before.pixels, after.pixels)


def _write(file: Path, content: Any) -> None:
    """Writes a file whole or not at all."""
    made = file.with_name(f".{file.name}.{os.getpid()}")
    made.write_text(json.dumps(content))
    made.replace(file)


def read_window(
    store: Path, file: str, form: Form, start: int, frames: int, *, sound: bool
) -> dict[str, np.ndarray]:
    """Frames, flow and sound (NaN where there is none) from a frame on."""
    side, rows = form.size, SOUNDS * frames
    shapes = {
        "video": (np.uint8, (frames, side, side, 3)),
        "flow": (np.float16, (frames, side, side, 2)),
        "sound": (np.float32, (rows, form.mels)),
    }
    read = {"sound": np.full((rows, form.mels), np.nan, np.float32)}
    for name, (kind, shape) in shapes.items():
        if name == "sound" and not sound:
            continue
        length = int(np.prod(shape))
        offset = start * length // frames * np.dtype(kind).itemsize
        made = np.fromfile(store / file / name, kind, count=length, offset=offset)
        read[name] = made.reshape(shape)
    return read
