"""What is released, built and put into fresh environments."""

import os
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "UV", "Place", "as_users", "build", "done"]

ROOT = Path(__file__).parent.parent
UV = [sys.executable, "-m", "uv"]


def as_users():
    """The environment without variables of XLA, JAX and sslax, which tests have set."""
    ours = ("XLA_", "JAX_", "SSLAX_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "JAX_PLATFORMS": "cpu"}


def done(command, **options):
    """What a command that must succeed says."""
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, result.stdout[-1000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def build(folder):
    """The source distribution, and the wheel that is built of it; its path."""
    done([*UV, "build", "--quiet", f"--out-dir={folder}", ROOT])
    [wheel] = folder.glob("*.whl")
    return wheel


class Place:
    """A fresh environment, and a folder from which commands are given."""

    def __init__(self, folder, python=sys.executable):
        self.folder, self.venv = folder, folder / "env"
        done([*UV, "venv", "--quiet", "--python", python, self.venv])
        self.env = {
            "PATH": f"{self.venv / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "JAX_PLATFORMS": "cpu",
            "SSLAX_DATA_DIR": str(folder / "sets"),
        }

    def install(self, wheel, extra=""):
        """The wheel with what it needs, at the locked versions."""
        lines = (ROOT / "requirements.txt").read_text().splitlines()
        pins = [x.removesuffix(" \\") for x in lines if re.match(r"[\w.-]+==", x)]
        locked = self.folder / "locked.txt"  # versions without their hashes
        locked.write_text("\n".join(pins) + "\n")
        install = [*UV, "pip", "install", "--quiet", f"--python={self.venv}"]
        wanted = f"sslax{extra} @ {wheel.as_uri()}"
        done([*install, wanted, "--constraints", locked])

    def run(self, command, *more, cwd=None):
        """What a line of shell says, with more arguments after it."""
        line = ["bash", "-ec", f'{command} "$@"' if more else command, "-", *more]
        return done(line, cwd=cwd or self.folder, env=self.env)
