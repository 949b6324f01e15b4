"""Images that are broken, odd, gone, or others than before."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments.reliability import ends, launch
from experiments.reliability.trial import (
    Outcome,
    Trial,
    is_a_sentence,
    pretrain,
    said_briefly,
)
from sslax.data import _loader

_SIDE, _COUNT = 24, 40
_NOBODY = 65534


def trials(home: Path) -> Iterator[Trial]:
    """One odd file among good ones, with on_error of both kinds; then folders."""
    for name, (odd, fate) in ODD.items():
        for on_error in ("stop", "skip"):
            run = partial(_one_odd, name, odd, fate, on_error)
            yield Trial(f"data: {fate}", f"{name}, {on_error}", run)
    for on_error in ("stop", "skip"):
        run = partial(_unreadable, on_error)
        yield Trial("data: without the right to read it", on_error, run)
    for name, run in (
        ("fewer images than the batch", _few),
        ("images vanish in the middle of a run", _vanished),
        ("another image in place of one, between runs", partial(_changed, _renamed)),
        ("an image more, between runs", partial(_changed, _added)),
        ("an image made smaller, between runs", partial(_changed, _rewritten)),
    ):
        yield Trial(f"data: {name}", "", run)


def picture(mode: str = "RGB", kind: str = "png", size=(_SIDE, _SIDE), **more: Any):
    """The bytes of a smooth image."""
    height, width = size
    ramp = np.linspace(0, 255, height * width).reshape(height, width)
    image = Image.fromarray(ramp.astype(np.uint8)).convert(mode)
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


def _deep() -> bytes:
    pixels = np.linspace(0, 65535, _SIDE**2).reshape(_SIDE, _SIDE).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def _animated() -> bytes:
    frames = [Image.new("RGB", (_SIDE, _SIDE), (40 * i, 0, 0)) for i in range(4)]
    file = io.BytesIO()
    frames[0].save(file, "gif", save_all=True, append_images=frames[1:])
    return file.getvalue()


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(kind="jpeg", exif=exif)


def _bomb() -> bytes:
    """A PNG of 60,000 by 60,000 pixels, in a few kB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return (
            struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 7501 * 200)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return file.getvalue()


def _written(make: Callable[[], bytes], name: str = "odd.png"):
    return lambda folder: (folder / name).write_bytes(make())


_JPEG = partial(picture, kind="jpeg", size=(200, 200))
# What is put into the folder, and what should become of it: "decoded", "named" where a
# run stops (or skips it), "left out" with a word, "passed over" without one.
ODD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut in the middle": (_written(lambda: _JPEG()[:900], "odd.jpg"), "named"),
    "empty": (_written(bytes), "named"),
    "a text": (_written(lambda: b"no image at all"), "named"),
    "an array of objects": (_written(_objects, "odd.npy"), "named"),
    "a decompression bomb": (_written(_bomb), "named"),
    "a PNG called .jpg": (_written(picture, "odd.jpg"), "decoded"),
    "16 bits": (_written(_deep), "decoded"),
    "grey": (_written(partial(picture, "L")), "decoded"),
    "one bit": (_written(partial(picture, "1")), "decoded"),
    "CMYK": (_written(partial(picture, "CMYK", "jpeg"), "odd.jpg"), "decoded"),
    "a palette": (_written(partial(picture, "P", transparency=3)), "decoded"),
    "transparent": (_written(partial(picture, "RGBA")), "decoded"),
    "animated": (_written(_animated, "odd.gif"), "decoded"),
    "turned by EXIF": (_written(_turned, "odd.jpg"), "decoded"),
    "1 x 1": (_written(partial(picture, size=(1, 1))), "decoded"),
    "20000 x 10": (_written(partial(picture, size=(10, 20000))), "decoded"),
    "a link to nowhere": (
        lambda folder: (folder / "odd.png").symlink_to(folder / "gone.png"),
        "left out",
    ),
    "a folder called .png": (
        lambda folder: (folder / "odd.png").mkdir(),
        "passed over",
    ),
    "a pipe called .png": (lambda folder: os.mkfifo(folder / "odd.png"), "left out"),
}


def _images(folder: Path, count: int = _COUNT) -> Path:
    folder.mkdir()
    for i in range(count):
        pixels = np.full((_SIDE, _SIDE, 3), 5 * i, np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return folder


def _command(images: Path, run: Path, *more: str) -> list[str]:
    given = (
        f"--config.data.train=folder:{images}",
        "--config.data.canvas=24",
        "--config.steps=20",
    )
    return pretrain("moco", run, *given, *more)


def _one_odd(name: str, odd, fate: str, on_error: str, folder: Path) -> Outcome:
    del name
    images = _images(folder / "images")
    odd(images)
    command = _command(images, folder / "run", f"--config.data.on_error={on_error}")
    ended = launch.run(command, folder / "said.log", timeout=120)
    if "Traceback" in ended.said:
        return Outcome(False, said_briefly(ended))
    if fate == "named" and on_error == "stop":
        good = ended.code == 2 and "/odd." in ended.said and is_a_sentence(ended)
        return Outcome(good, said_briefly(ended))
    skipped = "odd." in ended.said
    good = not ended.code and launch.step_of(folder / "run") == 20
    good = good and skipped == (fate in ("named", "left out"))
    count = len(launch.rows(folder / "run"))
    return Outcome(good, f"{'told and left out' if skipped else fate}, {count} rows")


def _unreadable(on_error: str, folder: Path) -> Outcome:
    """A fault of the machine, and none of the image: stops by name, skips nothing."""
    images = _images(folder / "images")
    (images / "020.png").chmod(0)
    folder.chmod(0o777)
    command = _command(images, folder / "run", f"--config.data.on_error={on_error}")
    ended = launch.run(command, folder / "said.log", limits=_without_rights)
    named = "Permission denied" in ended.said and "020.png" in ended.said
    good = ended.code == 1 and named and is_a_sentence(ended)
    return Outcome(good, said_briefly(ended))


def _without_rights() -> None:
    """The superuser may read everything."""
    if os.geteuid() == 0:
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)


def _few(folder: Path) -> Outcome:
    images = _images(folder / "images", 5)
    ended = launch.run(_command(images, folder / "run"), folder / "said.log")
    good = ended.code == 2 and "batch_size" in ended.said and is_a_sentence(ended)
    return Outcome(good, said_briefly(ended))


def _not_in_memory() -> None:
    _loader.MEMORY_LIMIT = 0  # as of a set that does not fit


def _vanished(folder: Path) -> Outcome:
    """Stops by name, and goes on to the exact end once the images are back."""
    images, run = _images(folder / "images"), folder / "run"
    alone = launch.run(_command(images, folder / "alone"), folder / "alone.log")
    command = [*_command(images, run), "--config.log_every=1"]
    child = launch.start(command, folder / "gone.log", limits=_not_in_memory)
    if not launch.until(child, lambda: launch.step_of(run) >= 5):
        return Outcome(False, said_briefly(launch.wait(child)))
    (folder / "aside").mkdir()
    for file in sorted(images.iterdir())[::2]:
        file.rename(folder / "aside" / file.name)
    ended = launch.wait(child)
    note = said_briefly(ended)
    if ended.code != 1 or ".png" not in ended.said or not is_a_sentence(ended):
        return Outcome(False, note)
    for file in (folder / "aside").iterdir():
        file.rename(images / file.name)
    again = launch.run(command, folder / "again.log", limits=_not_in_memory)
    equal = not (again.code or alone.code)
    equal = equal and ends.end_of(run) == ends.end_of(folder / "alone")
    return Outcome(equal, f"{note}; then to the exact end")


def _changed(change: Callable[[Path], None], folder: Path) -> Outcome:
    """A run that would go on with other images than it began with is refused."""
    images, run = _images(folder / "images"), folder / "run"
    child = launch.start(_command(images, run), folder / "first.log")
    if not launch.until(child, lambda: launch.step_of(run) >= 6):
        return Outcome(False, said_briefly(launch.wait(child)))
    launch.kill(child, 15)
    launch.wait(child)
    change(images)
    again = launch.run(_command(images, run), folder / "again.log")
    good = again.code == 2 and is_a_sentence(again)
    return Outcome(good, said_briefly(again))


def _renamed(images: Path) -> None:
    (images / "003.png").rename(images / "other.png")


def _added(images: Path) -> None:
    (images / "999.png").write_bytes(picture())


def _rewritten(images: Path) -> None:
    (images / "000.png").write_bytes(picture(size=(12, 12)))
