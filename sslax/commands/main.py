"""The command line: `sslax COMMAND ...`, and `python -m sslax.train`."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags, logging

from sslax.calls import nearest

__all__ = ["main", "run"]

_COMMANDS = {
    "pretrain": "pretrain a method: --config=FILE[:VARIANT] --workdir=DIR",
    "plan": "compile a config for chips that are not here and predict its step: "
    "--config=FILE --topology=v5e:16x16",
    "evaluate": "evaluate a run and write its report: --workdir=DIR",
    "embed": "write the features of a data set: --workdir=DIR --out=FILE.npz",
    "convert": "weights from PyTorch: --from=timm FILE --model=NAME --out=DIR, and "
    "back: --to=timm DIR --out=FILE.safetensors",
    "configs": "list the configs of a folder",
    "prepare": "download and prepare a TFDS set: NAME",
    "show-views": "draw what the loss sees: --config=FILE --out=FILE.png",
}

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
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help", "help"):
        print("usage: sslax COMMAND ...\n")
        for name, what in _COMMANDS.items():
            print(f"  {name:12}{what}")
        print("\nsslax COMMAND --help shows the options of a command.")
        sys.exit(0)
    command = sys.argv.pop(1)
    if command not in _COMMANDS:
        print(
            f"sslax: no command {command!r}: {nearest(command, _COMMANDS)}",
            file=sys.stderr,
        )
        sys.exit(2)
    run(command)


def run(command: str) -> None:
    """Runs one command with the flags in `sys.argv`.

    Args:
      command: its name.
    """
    # Configs may import configs.common, from the folder where the command is given.
    sys.path.insert(0, os.getcwd())
    if command != "plan":  # which chooses its platform before JAX is imported
        from sslax import platforms

        platforms.keep_memory()
    _define_flags(command)
    function = globals()[f"_{command.replace('-', '_')}"]

    def guarded(argv):
        try:
            function(argv)
        except (ValueError, FloatingPointError) as error:
            if flags.FLAGS.traceback:
                raise
            print(f"sslax {command}: {error}", file=sys.stderr)
            sys.exit(2 if isinstance(error, ValueError) else 1)

    app.run(guarded, argv=sys.argv, flags_parser=_parse)


def _parse(argv: Sequence[str]) -> Sequence[str]:
    """Parses flags; a mistake is one line, not a traceback."""
    try:
        return flags.FLAGS(argv)
    except (flags.Error, AttributeError, TypeError, KeyError) as error:
        lines = str(error).strip("'\"").replace("\\n", "\n").splitlines()
        hint = [x for x in lines if "Did you mean" in x or "did you mean" in x]
        shown = lines[0].split(" Other fields present")[0]
        print(f"sslax: {' '.join([shown, *hint])}", file=sys.stderr)
        sys.exit(2)


def _define_flags(command: str) -> None:
    string, integer = flags.DEFINE_string, flags.DEFINE_integer
    flags.DEFINE_bool("traceback", False, "show the traceback of an error")
    if command in ("pretrain", "plan", "show-views"):
        from ml_collections import config_flags

        config_flags.DEFINE_config_file("config", help_string="a config file")
        flags.mark_flag_as_required("config")
    if command in ("pretrain", "evaluate", "embed"):
        string("workdir", None, "the folder of the run", required=True)
        string("coordinator", None, "host:port of process 0, or auto")
        integer("processes", 0, "number of processes")
        integer("process_id", -1, "number of this process")
    if command in ("evaluate", "embed"):
        integer("step", None, "which checkpoint; the newest by default")
    if command == "plan":
        _define_plan_flags()
    if command == "pretrain":
        flags.DEFINE_bool("allow_config_change", False, "go on under a new config")
    if command == "embed":
        string("data", None, "folder:/path, cifar10/test, ...; the run's own if none")
        string("split", "test", "train or test: which part of the run's own data")
    if command in ("embed", "show-views", "convert"):
        string("out", None, "the file or folder to write", required=True)
    if command == "convert":
        names = ["timm", "torch"]
        flags.DEFINE_enum("from", None, names, "whose names the file has")
        flags.DEFINE_enum("to", None, names, "whose names to write")
        string("model", None, "a network's name there, or a call as JSON")
        integer("image_size", None, "side of the images the weights are for")
        string("prefix", None, "what stands before the names, where it is not found")
    if command == "prepare":
        string("data_dir", None, "where prepared data go")
    if command == "configs":
        string("dir", "configs", "the folder")


def _define_plan_flags() -> None:
    string = flags.DEFINE_string
    string("topology", None, "v5e:16x16, v5p:8x8x4, h100:4x8, ...", required=True)
    string("layout", None, "replicated, fsdp or fsdp:N; the config's own by default")
    string("json", None, "a file to write the plan to, as JSON")
    flags.DEFINE_bool("search", False, "compile other layouts, remat, micro-batches")
    flags.DEFINE_bool("scaling", False, "predict 8 to 1024 chips")
    flags.DEFINE_bool("quick", False, "with --scaling: compile for --topology alone")
    efforts = ["O0", "O1", "O2", "O3"]
    flags.DEFINE_enum("effort", "O1", efforts, "of the compiler; O0 is quick")


def _config() -> dict:
    config = flags.FLAGS.config
    return json.loads(json.dumps(config.to_dict()))


def _followed() -> dict:
    """The config, after the data that the command line gives."""
    from ml_collections import config_flags

    from sslax.commands.follow import follow_data

    f = flags.FLAGS
    follow_data(f.config, config_flags.get_override_values(f["config"]))
    return _config()


def _start() -> None:
    from sslax import sharding

    logging.set_verbosity(logging.INFO if sys.stderr.isatty() else logging.WARNING)
    f = flags.FLAGS
    sharding.start(
        coordinator=f.coordinator, processes=f.processes, process_id=f.process_id
    )


def _pretrain(argv) -> None:
    del argv
    _start()
    from sslax.train.evaluation import evaluate_run
    from sslax.train.loop import pretrain

    config, f = _followed(), flags.FLAGS
    run, state = pretrain(config, f.workdir, allow_config_change=f.allow_config_change)
    finished = int(state.step) == config["steps"]
    if finished and config["evaluate"]["final"]:
        evaluate_run(run, state, f.workdir)


def _plan(argv) -> None:
    del argv
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    from sslax.commands.plan import run_plan

    f = flags.FLAGS
    fits = run_plan(
        _config(),
        f.topology,
        layout=f.layout,
        searching=f.search,
        scaling=f.scaling,
        quick=f.quick,
        effort=f.effort,
        file=f.json,
    )
    sys.exit(0 if fits else 1)


def _evaluate(argv) -> None:
    del argv
    _start()
    from sslax.train.evaluation import evaluate_run, restore_run

    f = flags.FLAGS
    run, state = restore_run(f.workdir, f.step)
    evaluate_run(run, state, f.workdir)


def _embed(argv) -> None:
    del argv
    _start()
    from sslax.train.evaluation import embed_run

    f = flags.FLAGS
    embed_run(f.workdir, f.out, step=f.step, name=f.data, split=f.split)


def _convert(argv) -> None:
    from sslax.commands.convert import export_weights, import_weights

    f = flags.FLAGS
    source, target = f["from"].value, f["to"].value
    if len(argv) != 2 or (source is None) == (target is None):
        raise ValueError(
            "give --from and one file, or --to and one folder: "
            "sslax convert --from=timm FILE --model=vit_small_patch16_224 --out=DIR"
        )
    if target is not None:
        export_weights(argv[1], f.out, source=target, image_size=f.image_size)
        return
    if f.model is None:
        raise ValueError("--from needs --model, for example --model=resnet50")
    import_weights(
        argv[1],
        f.out,
        model=f.model,
        source=source,
        image_size=f.image_size,
        prefix=f.prefix,
    )


def _configs(argv) -> None:
    del argv
    folder = Path(flags.FLAGS.dir)
    files = sorted(folder.glob("*.py"))
    if not files:
        raise ValueError(f"no configs in {str(folder)!r}; give their folder with --dir")
    sys.path.insert(0, str(folder.parent.resolve()))
    for file in files:
        if file.stem in ("__init__", "common"):
            continue
        module = importlib.import_module(f"{folder.name}.{file.stem}")
        print(f"{file}  {(module.__doc__ or '').splitlines()[0]}")


def _prepare(argv) -> None:
    from sslax import data

    if len(argv) != 2:
        raise ValueError("give one name: sslax prepare NAME, for example cifar10")
    data.prepare(argv[1], data_dir=flags.FLAGS.data_dir)


def _show_views(argv) -> None:
    del argv
    from sslax.commands.show_views import show_views

    show_views(_followed(), flags.FLAGS.out)
