"""The command line: `sslax COMMAND ...`, one file a command.

Exit status: 0 for success, 1 for a failure of the run or the machine, 2 for a mistake
in the command or the config, 128 + n after signal n where there was nothing to save.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

from sslax.calls import nearest
from sslax.commands.ending import end, polite, quiet_threads
from sslax.commands.options import COMMANDS, parse

__all__ = ["guarded", "main"]

# Programs for other chips are compiled on the CPU; their compilers talk much.
_QUIET = {
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # no TPU is held: several plans at a time
}


def main() -> None:
    """The console script: `sslax COMMAND ...`."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help", "help"):
        print("usage: sslax COMMAND ...\n")
        for command, about in COMMANDS.items():
            print(f"  {command:12}{about.what}")
        print("\nsslax COMMAND --help shows the options of a command, with --debug it")
        print("shows the traceback of an error. Exit status: 0, 1 where the run or the")
        print("machine failed, 2 where the command or the config is wrong.")
        sys.exit(0)
    if name == "--version":
        print(f"sslax {importlib.import_module('sslax').__version__}")
        sys.exit(0)
    if name not in COMMANDS:
        message = f"sslax: no command {name!r}: {nearest(name, COMMANDS)}"
        print(message, file=sys.stderr)
        sys.exit(2)
    options = parse(name, sys.argv[2:])
    options.say = polite(name)  # what is said of a command that is stopped
    _log(options)
    if not options.debug:
        quiet_threads()
    code = guarded(name, options)
    if code not in (0, 2):
        end(code)  # threads that still write would go on to complain
    sys.exit(code)


def guarded(name: str, options: Any) -> int:
    """Runs a command; a mistake or a failure is a sentence, not a traceback.

    Args:
      name: of the command.
      options: from `sslax.commands.options.parse`, and `say`, see `ending.polite`.

    Returns:
      The exit status.
    """
    try:
        return _run(name, options)
    except BrokenPipeError:  # who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        message, code = "stopped at once; the newest checkpoint is whole", 130
    except ValueError as error:
        message, code = str(error), 2
        if options.debug:
            raise
    except Exception as error:
        message, code = _failure(error), 1
        if options.debug or not message:
            raise
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""  # of the line of progress
    print(f"{clear}sslax {name}: {message}", file=sys.stderr)
    return code


def _run(name: str, options) -> int:
    _find_code(own_config=hasattr(options, "config"))
    if name == "plan":
        for variable, value in _QUIET.items():
            os.environ.setdefault(variable, value)
    else:  # plan chooses its platform before JAX is imported
        from sslax import platforms

        platforms.keep_memory()
    module = importlib.import_module(f"sslax.commands.{name.replace('-', '_')}")
    return module.run(options) or 0


def _find_code(*, own_config: bool) -> None:
    """Configs may import configs.common, and name their own functions, from here.

    Here is where the command is given, but not inside a run whose config is read: that
    is data, which may be a stranger's, and no code comes from it.
    """
    here = os.getcwd()
    if sys.path[:1] in ([""], [here]):  # as `python -m` puts it
        del sys.path[0]
    places = (Path(here), *Path(here).parents)
    runs = [p for p in places if (p / "config.json").exists()]
    if own_config or not any((p / "checkpoints").is_dir() for p in runs):
        sys.path.insert(0, here)


def _log(options) -> None:
    """What sslax says goes to standard error; Orbax's own words only with --debug.

    A failure of others comes as an exception too, and there it is said once.
    """
    from absl import flags
    from absl import logging as absl_logging

    flags.FLAGS.mark_as_parsed()  # else absl warns of itself
    handler = absl_logging.get_absl_handler()
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""  # of the line of progress
    handler.setFormatter(logging.Formatter(f"{clear}%(message)s"))
    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.INFO)
    first = getattr(options, "process_id", 0) in (-1, 0)
    least = logging.INFO if first else logging.WARNING
    foreign = logging.WARNING if options.debug else logging.CRITICAL

    def ours(record: logging.LogRecord) -> bool:
        known = f"{os.sep}sslax{os.sep}" in record.pathname
        return record.levelno >= (least if known else foreign)

    handler.addFilter(ours)


def _failure(error: Exception) -> str:
    """A failure of the run or the machine in a sentence; none for a fault of ours."""
    text = str(error).strip()
    if "RESOURCE_EXHAUSTED" in text and "memory" in text.lower():
        return (
            f"out of memory: {text.splitlines()[0]}\nA smaller batch_size, accumulate, "
            "remat, or layout=fsdp helps; `sslax plan` predicts what fits."
        )
    if isinstance(error, OSError):
        what = text.splitlines()[0] if text else repr(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        then = ": make room and give the same command again" if full else ""
        return f"{what}; what was saved before stands{then}"
    if isinstance(error, (FloatingPointError, ImportError)):
        return text
    return ""
