"""Emoji of one vendor and their names: real pairs of pictures and captions."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from sslax.data._tfds import default_data_dir

__all__ = ["prepare_emoji"]

_SIDE = "64"
_TONES = {
    "1F3FB": "light skin tone",
    "1F3FC": "medium-light skin tone",
    "1F3FD": "medium skin tone",
    "1F3FE": "medium-dark skin tone",
    "1F3FF": "dark skin tone",
}


class Emoji(NamedTuple):
    """A picture, what it is called, and what decides its split: its base."""

    file: str
    captions: tuple[str, ...]
    base: str


def prepare_emoji(path: str | os.PathLike, data_dir: Path | None) -> Path:
    """Writes the emoji of an npm package as a folder that `captioned` opens.

    Pictures of 64 pixels are put on white. Captions are the name and the short names;
    those of a skin tone say it. A tenth is for testing: an emoji with its tones is on
    one side, the same one for all vendors.

    Args:
      path: the package emoji-datasource-VENDOR, unpacked.
      data_dir: the folder of prepared sets; None is that of `tfds`.

    Returns:
      The folder, emoji/VENDOR; one that is there already is left as it is.

    Raises:
      ValueError: if it is no such package, its table has another form, or pictures
        that it lists are not there.
    """
    package = Path(path).expanduser()
    vendor, pictures = _pictures(package)
    target = Path(data_dir or default_data_dir()) / "emoji" / vendor
    if target.is_dir():
        return target
    emoji = list(_listed(package / "emoji.json", vendor))
    lost = [one.file for one in emoji if not (pictures / one.file).is_file()]
    if lost or not emoji:
        raise ValueError(
            f"{str(package / 'emoji.json')!r} lists {len(emoji)} emoji of {vendor}, of "
            f"which {len(lost)} are not in {str(pictures)!r}"
            + (f", the first {lost[0]!r}" if lost else "")
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="incomplete.", dir=target.parent))
    try:
        _write(own, pictures, emoji)
        own.chmod(0o755)  # a temporary folder is for its owner alone
        own.rename(target)
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return target


def _pictures(package: Path) -> tuple[str, Path]:
    """The vendor and the folder of its pictures."""
    found = sorted(package.glob(f"img/*/{_SIDE}"))
    if len(found) != 1 or not (package / "emoji.json").is_file():
        raise ValueError(
            f"{str(package)!r} is no emoji package: expected emoji.json and "
            f"img/VENDOR/{_SIDE} of one vendor, as npm's emoji-datasource-google has "
            f"them; it has {[str(p.relative_to(package)) for p in found] or 'neither'}"
        )
    return found[0].parent.name, found[0]


def _listed(table: Path, vendor: str) -> Iterator[Emoji]:
    """The emoji that a vendor has, in the order of the table, tones behind each."""
    try:
        entries = list(json.loads(table.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{str(table)!r} is no list in JSON: {error}") from error
    for number, entry in enumerate(entries):
        try:
            found = list(_with_tones(entry, vendor))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"entry {number} of {str(table)!r} is not of the form of "
                f"emoji-datasource 16 ({type(error).__name__}: {error}); it has "
                f"{sorted(entry) if isinstance(entry, dict) else repr(entry)}"
            ) from error
        yield from found


def _with_tones(entry: dict[str, Any], vendor: str) -> Iterator[Emoji]:
    names = _names(entry)
    for tones, own in [("", entry), *entry.get("skin_variations", {}).items()]:
        if own.get(f"has_img_{vendor}"):
            said = " and ".join(_TONES[tone] for tone in tones.split("-") if tone)
            captions = tuple(f"{name}, {said}" if said else name for name in names)
            yield Emoji(own["image"], captions, entry["image"])


def _names(entry: dict[str, Any]) -> list[str]:
    """Lower-case words, the full name first."""
    words = [entry["name"], *entry["short_names"]]
    plain = [word.lower().replace("_", " ").replace("-", " ") for word in words]
    return list(dict.fromkeys(plain))


def _write(folder: Path, pictures: Path, emoji: list[Emoji]) -> None:
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "caption", "split"))
        for one in emoji:
            _on_white(pictures / one.file).save(folder / one.file)
            split = "train" if zlib.crc32(one.base.encode()) % 10 else "test"
            writer.writerows((one.file, name, split) for name in one.captions)


def _on_white(file: Path) -> Image.Image:
    with Image.open(file) as image:
        picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")
