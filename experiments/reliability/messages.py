"""Wrong commands and configs, and what sslax says to them.

    python -m experiments.reliability.messages          # what differs from the file
    python -m experiments.reliability.messages --write  # the file has what is said

`tests/commands/messages.txt` has every command and its answer, to be read in one go:
what was wrong, what was expected, the nearest valid choice, and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import json
import logging
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from PIL import Image

from sslax.commands import main

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "tests" / "commands" / "messages.txt"
# A list of methods would be another one with every new method.
_MOST = 8

_FILES = {
    "own.py": (ROOT / "tests" / "train" / "tiny_config.py").read_text,
    "slip.py": lambda: "def get_config():\n  return {'steps': 3\n",
    "absent.py": lambda: "import no_such_package\n",
    "empty.py": lambda: "",
    "typo.py": lambda: (
        "from configs import common\n\n\ndef get_config():\n"
        "  config = common.base(examples=64, epochs=1, batch_size=16)\n"
        "  config.optimiser.learning_rate = 0.1\n  return config\n"
    ),
    "own_code.py": lambda: "def method():\n  return 3\n",
    "notes.txt": lambda: "milk, bread\n",
    "table.csv": lambda: "picture,class\na.png,cat\n",
    "vit.safetensors": lambda: "these are no weights",
    "vit.pth": lambda: "these are no weights",
}


class Case(NamedTuple):
    """A command and what is said to it.

    Attributes:
      command: as it is typed.
      answer: the exit status in brackets, and all that is printed.
    """

    command: str
    answer: str


def stored(file: Path = FILE) -> dict[str, list[Case]]:
    """The commands of the file, with their answers, by section."""
    sections: dict[str, list[Case]] = {}
    for block in file.read_text().split("\n\n"):
        first, *rest = block.split("\n")
        if first.startswith("== "):
            sections[first[3:]] = []
        elif first.startswith("$ "):
            answer = "\n".join(rest).rstrip("\n")
            sections[next(reversed(sections))].append(Case(first[2:], answer))
    return sections


@contextlib.contextmanager
def somewhere() -> Iterator[Path]:
    """A folder, the current one meanwhile, with what the commands of the file name."""
    before, path = os.getcwd(), list(sys.path)
    _forget_files()  # of the same names, elsewhere
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _fill(folder)
        os.chdir(folder)
        try:
            with mock.patch.dict(os.environ, SSLAX_DATA_DIR=str(folder / "sets")):
                yield folder
        finally:
            os.chdir(before)
            sys.path[:] = path
            _forget_files()


def _forget_files() -> None:
    for module in list(sys.modules):
        if module.startswith(("_config_", "own_code")):
            del sys.modules[module]


def _fill(folder: Path) -> None:
    for name, text in _FILES.items():
        (folder / name).write_text(text())
    for name in ("pets/cat", "pets/dog", "nothing", "weights"):
        (folder / name).mkdir(parents=True)
    for i in range(8):
        pixels = np.full((16, 16, 3), 30 * i, np.uint8)
        image = Image.fromarray(pixels)
        image.save(folder / "pets" / ("cat" if i % 2 else "dog") / f"{i}.png")
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weights = len(header).to_bytes(8, "little") + header + bytes(4)
    (folder / "other.safetensors").write_bytes(weights)
    from sslax.commands.overrides import load_config

    config = load_config(str(folder / "own.py"))
    for name in ("run", "begun"):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
    saved = folder / "run" / "checkpoints" / "12" / "config"
    saved.mkdir(parents=True)
    (saved / "metadata").write_text(json.dumps(config))


def said(command: str) -> str:
    """What a command prints and how it ends, run in this process."""
    printed = io.StringIO()
    words = shlex.split(command)

    def ended(code: int):
        raise SystemExit(code)

    logging.disable(logging.CRITICAL)  # what is said on the way
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.object(main, "polite"),
        mock.patch.object(main, "_log"),
        mock.patch.object(main, "quiet_threads"),
        mock.patch.object(main, "end", ended),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            main.main()
        except SystemExit as error:
            code = error.code
        except Exception as error:
            code = f"TRACEBACK {type(error).__name__}: {error}"
        finally:
            logging.disable(logging.NOTSET)
    said = printed.getvalue().replace(os.getcwd(), "HERE")
    return f"[{code}] {shortened(said.strip())}"


def shortened(text: str) -> str:
    """Long lists of choices without their names."""

    def cut(match: re.Match) -> str:
        names = match[2].split(", ")
        kept = names if len(names) <= _MOST else ["..."]
        return match[1] + ", ".join(kept)

    return re.sub(r"((?:choices|variants) are:? \[?)([^\n;]+)", cut, text)


def told(commands: Iterable[str]) -> dict[str, str]:
    """What is said to commands, each with the same files around it."""
    with somewhere() as folder:
        answers = {}
        for command in commands:
            answers[command] = said(command)
            shutil.rmtree(folder / "new", ignore_errors=True)
        return answers


def main_() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite messages.txt")
    parser.add_argument("--match", default="", help="only commands with this in them")
    args = parser.parse_args()
    cases = {x.command: x.answer for some in stored().values() for x in some}
    cases = {k: v for k, v in cases.items() if args.match in k}
    answers = told(cases)
    changed = {c: a for c, a in answers.items() if a != cases[c]}
    for command, answer in changed.items():
        lines = (cases[command].splitlines(), answer.splitlines())
        print(f"$ {command}")
        print("\n".join(difflib.ndiff(*lines)))
    if args.write:
        blocks = FILE.read_text().rstrip("\n").split("\n\n")
        FILE.write_text("\n\n".join(_block(x, answers) for x in blocks) + "\n")
    print(f"{len(cases)} commands, {len(changed)} differ from the file")


def _block(block: str, answers: Mapping[str, str]) -> str:
    command = block.split("\n")[0][2:]
    known = block.startswith("$ ") and command in answers
    return f"$ {command}\n{answers[command]}" if known else block


if __name__ == "__main__":
    main_()
