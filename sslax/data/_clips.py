"""Clips of video files: windows of frames with their flow and sound."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from sslax.data._fields import LABEL, Example, Field
from sslax.data._folder import Files, files_of
from sslax.data._moving import SOUNDS
from sslax.data._sources import Source, check_on_error
from sslax.data._tfds import folder_of
from sslax.data._video import SILENCE
from sslax.data._video_store import (
    Form,
    check_form,
    command_of,
    read_index,
    read_window,
    store_of,
)


def clips(
    *,
    path: str | os.PathLike,
    split: str | None = None,
    classes: str = "auto",
    size: int = 128,
    frames: int = 20,
    rate: int = 10,
    mels: int = 64,
    on_error: str = "stop",
    data_dir: str | os.PathLike | None = None,
) -> Source:
    """Opens a folder of video files, as windows of frames that follow each other.

    `sslax prepare clips:PATH` reads the files once, by PyAV: frames as they are shown
    at an even rate, whatever that of the file; their optical flow by TV-L1; and their
    sound as a log-mel spectrogram. All is stored and read from there. Frames are shrunk
    to squares, of which the middle is kept.

    An example is a window with the fields of `moving_shapes`: `video` uint8 [t h w 3],
    `flow` float16 [t h w 2] (how far things go right and down until the next frame),
    `sound` float32 [4t mels] and `has_sound`, which is False where there is none in
    all of the window, or only silence: then `sound` is 0. `label` is that of the class
    folder, if there are some.

    Args:
      path: the folder; classes and splits lie in it as in `folder`.
      split: see `folder`.
      classes: see `folder`.
      size: side of the frames in pixels.
      frames: t, how many a window has; what is left over of a file is not shown.
      rate: frames a second, at most those of the files.
      mels: bands of the sound.
      on_error: "stop" at files that cannot be used (broken, shorter than a window, of
        fewer frames a second), "skip" leaves them out.
      data_dir: the folder of prepared sets; the default is that of `tfds`.

    Returns:
      The source, in the order of the paths.

    Raises:
      ValueError: if there is no such folder or split, files were not prepared or have
        changed since, or cannot be used; the message says which, and what to do.

    Example:
      >>> from sslax import data
      >>> data.clips(path="/no/such/folder")
      Traceback (most recent call last):
      ValueError: folder '/no/such/folder' does not exist or is no folder
    """
    form = Form(size, rate, mels)
    check_form(form)
    check_on_error(on_error)
    if frames < 2:
        raise ValueError(f"clips: frames is {frames}, at least 2")
    found = files_of(path, split, classes, kind="video")
    folder = folder_of(data_dir)
    store = store_of(path, folder, form)
    files, known = _known(found, Path(path).expanduser(), read_index(store))
    _check_prepared(found, files, known, command_of(path, folder, form))
    starts = [_starts(about, frames) for about in known]
    if problems := _problems(files, known, starts, form, frames):
        _say(problems, len(files), on_error)
    rows = np.array([(i, s) for i, own in enumerate(starts) for s in own], np.int32)
    if not len(rows):
        raise ValueError(f"no file below {str(found.root)!r} can be used")
    labels = None if found.labels is None else found.labels[rows[:, 0]]
    suffix = f"/{split}" if split else ""
    return Source(
        name=f"clips:{path}{suffix}",
        length=len(rows),
        read=partial(_read, store, form, frames, files, known, rows, labels),
        fields=_fields(form, frames) | ({} if labels is None else {"label": LABEL}),
        class_names=found.class_names,
        labels=labels,
        locate=partial(_locate, found, rows, rate),
        grouped=True,
    )


def _fields(form: Form, frames: int) -> dict[str, Field]:
    side = form.size
    return {
        "video": Field((frames, side, side, 3), "uint8"),
        "flow": Field((frames, side, side, 2), "float16"),
        "sound": Field((SOUNDS * frames, form.mels), "float32"),
        "has_sound": Field((), "bool"),
    }


def _known(
    found: Files, top: Path, index: Mapping[str, Any]
) -> tuple[list[str], list[Mapping[str, Any]]]:
    """The files as the store calls them, and what it knows of each; {} if nothing."""
    below = found.root.relative_to(top)
    files = [(below / file).as_posix() for file in found.files]
    return files, [index.get(file, {}) for file in files]


def _check_prepared(
    found: Files, files: Sequence[str], known: Sequence[Mapping], command: str
) -> None:
    """Stops where a file is not stored, or is another one by now."""
    missing = [
        file
        for file, path, about in zip(files, found.files, known, strict=True)
        if about.get("bytes") != os.stat(found.root / path).st_size
    ]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(files)} videos are not prepared, or have changed"
            f" since, as {missing[0]!r}. To read them once: {command}"
        )


def _starts(about: Mapping[str, Any], frames: int) -> list[int]:
    """Where the windows of a file begin; those that mostly stand still are left out."""
    repeated = np.array(about.get("repeated", ()), np.int32)
    starts = range(0, about.get("frames", 0) - frames + 1, frames)
    still = [np.sum((repeated > s) & (repeated < s + frames)) for s in starts]
    return [s for s, n in zip(starts, still, strict=True) if 2 * n < frames]


def _problems(
    files: Sequence[str],
    known: Sequence[Mapping[str, Any]],
    starts: Sequence[list[int]],
    form: Form,
    frames: int,
) -> list[str]:
    """Why files cannot be used; takes the windows of those away."""
    problems = []
    for file, about, own in zip(files, known, starts, strict=True):
        why = about.get("problem")
        if why is None and about["rate"] < 0.95 * form.rate:
            why = (
                f"it has {about['rate']:.3g} frames a second and rate is {form.rate}:"
                f" give rate={max(1, int(about['rate']))} or less"
            )
        if why is None and about["frames"] < frames:
            why = (
                f"it gives {about['frames']} frames at {form.rate} a second, and a"
                f" window has {frames}: give frames= or rate= to fit"
            )
        if why is not None:
            own.clear()
            problems.append(f"{file!r}: {why}")
    return problems


def _say(problems: Sequence[str], count: int, on_error: str) -> None:
    listed = "; ".join(problems[:3]) + ("; ..." if len(problems) > 3 else "")
    said = f"{len(problems)} of {count} videos cannot be used: {listed}"
    if on_error == "stop":
        raise ValueError(
            f"{said}. Repair or remove such files, or leave them out by on_error='skip'"
        )
    logging.warning("left out: %s", said)


def _read(
    store: Path,
    form: Form,
    frames: int,
    files: Sequence[str],
    known: Sequence[Mapping[str, Any]],
    rows: np.ndarray,
    labels: np.ndarray | None,
    indices: Sequence[int],
    draws: Sequence[int],
) -> list[Example]:
    del draws
    examples: list[Example] = []
    for index in indices:
        at, start = (int(x) for x in rows[index])
        has_sound = known[at]["sound"]
        clip = read_window(store, files[at], form, start, frames, sound=has_sound)
        sound = clip["sound"]
        heard = bool(np.isfinite(sound).all() and sound.max() > SILENCE)
        clip["sound"] = sound if heard else np.zeros_like(sound)
        own = {} if labels is None else {"label": labels[index]}
        examples.append({**clip, "has_sound": np.bool_(heard), **own})
    return examples


def _locate(found: Files, rows: np.ndarray, rate: int, index: int) -> str:
    file, start = rows[index]
    return f"{found.root / found.files[file]} from {start / rate:.1f} s on"
