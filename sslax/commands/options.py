"""The options of every command; nothing here is slow to import."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from sslax.calls import nearest
from sslax.commands.run_options import (
    classify,
    embed,
    evaluate,
    export,
    option,
    search,
    translate,
    workdir,
)

__all__ = ["COMMANDS", "parse"]


class Command(NamedTuple):
    """A command of the command line.

    Attributes:
      what: a line about it.
      add: adds its options to a parser.
      example: a line that works.
    """

    what: str
    add: Callable[[argparse.ArgumentParser], None]
    example: str


def parse(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command as they were given.

    Args:
      name: the command.
      arguments: what stands after it.

    Returns:
      The options; `overrides` are the pairs of `--config.PATH=VALUE`, in order. A
      mistake ends the process with one line and status 2.
    """
    command = COMMANDS[name]
    takes_config = command.add in (_pretrain, _plan, _show_views)
    epilog = f"example:\n  {command.example}"
    if takes_config:
        epilog += (
            "\n\n--config.FIELD=VALUE sets any field of the config, also an argument "
            "that it leaves\nat its default: --config.method.encoder.stem=cifar"
        )
    parser = argparse.ArgumentParser(
        prog=f"sslax {name}",
        description=command.what,
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.error = functools.partial(_mistake, parser)
    command.add(parser)
    option(parser, "debug", "show the traceback of an error", flag=True)
    rest, overrides = _split(arguments) if takes_config else (list(arguments), [])
    rest = [_dashed(argument) for argument in rest]
    _check_known(parser, rest)
    options = parser.parse_args(rest)
    options.overrides = overrides
    return options


def _mistake(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """Says a mistake in one line."""
    message = message.replace("the following arguments are required", "needs")
    message = message.replace("unrecognized arguments", "not expected")
    print(f"{parser.prog}: {message}", file=sys.stderr)
    sys.exit(2)


def _check_known(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    known = [x for x in parser._option_string_actions if x.startswith("--")]
    for name in (x.split("=")[0] for x in arguments if x.startswith("--")):
        if name not in known:
            parser.error(f"there is no option {name}: {nearest(name, known)}")


def _split(arguments: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Options, and the pairs of `--config.PATH=VALUE` or `--config.PATH VALUE`."""
    rest, overrides, left = [], [], list(arguments)
    while left:
        argument = left.pop(0)
        if not argument.startswith("--config."):
            rest.append(argument)
            continue
        path, equals, value = argument.removeprefix("--config.").partition("=")
        if not equals:
            bare = not left or left[0].startswith("--")
            value = "true" if bare else left.pop(0)
        overrides.append((path, value))
    return rest, overrides


def _dashed(argument: str) -> str:
    """`--image-size` is `--image_size`."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def _config(parser) -> None:
    text = "a config of sslax or a file and, after a colon, a variant"
    option(parser, "config", text, required=True, metavar="NAME[:VARIANT]")


def _stage(parser) -> None:
    text = "which stage of a config that has several"
    option(parser, "stage", text, metavar="NAME")


def _pretrain(parser) -> None:
    _config(parser)
    workdir(parser)
    text = "go on in the folder under a config that has changed"
    option(parser, "allow_config_change", text, flag=True)


def _plan(parser) -> None:
    _config(parser)
    _stage(parser)
    text = "v5e:16x16, v5p:8x8x4, h100:4x8, ..."
    option(parser, "topology", text, required=True)
    text = "replicated, fsdp or fsdp:N; the config's own by default"
    option(parser, "layout", text)
    option(parser, "json", "a file to write the plan to, as JSON", metavar="FILE")
    text = "compile other layouts, remat, micro-batches"
    option(parser, "search", text, flag=True)
    option(parser, "scaling", "predict 8 to 1024 chips", flag=True)
    text = "with --scaling: compile for --topology alone"
    option(parser, "quick", text, flag=True)
    efforts = ["O0", "O1", "O2", "O3"]
    text = "of the compiler, O0 to O3; O0 is quick"
    option(parser, "effort", text, choices=efforts, default="O1")


def _analyse(parser) -> None:
    text = "folders of runs or converted weights, or RUN:extra/teacher/encoder"
    option(parser, "runs", text, required=True, nargs="+", metavar="RUN")
    option(parser, "out", "the page to write", required=True, metavar="FILE.html")
    option(parser, "data", "folder:/path, cifar10/train, ...; the first run's own")
    text = "how many images of each split"
    option(parser, "images", text, type=int, default=1000, metavar="N")
    text = "side of the images that converted weights see"
    option(parser, "image_size", text, type=int, metavar="PIXELS")
    text = "statistics that converted weights see images with"
    option(parser, "normalize", text, default="imagenet", metavar="NAME")


def _convert(parser) -> None:
    parser.add_argument("path", nargs="?", help="the file to read, or with --to a run")
    names = ["timm", "torch"]
    option(parser, "from", "whose names the file has: timm, torch", choices=names)
    option(parser, "to", "whose names to write: timm, torch", choices=names)
    option(parser, "out", "the file or folder to write", required=True)
    option(parser, "model", "a network's name there, or a call as JSON")
    text = "side of the images the weights are for"
    option(parser, "image_size", text, type=int, metavar="PIXELS")
    text = "shapes that a head or decoder takes: 1x50x768,1x196:int32"
    option(parser, "inputs", text, metavar="SHAPES")
    text = "what stands before the names, where it is not found"
    option(parser, "prefix", text)
    text = "which network of a run: params/encoder, or extra/teacher/encoder"
    option(parser, "take", text, default="params/encoder", metavar="PATH")


def _configs(parser) -> None:
    text = "show the fields of this one, each with its meaning"
    parser.add_argument("config", nargs="?", metavar="NAME[:VARIANT]", help=text)
    option(parser, "dir", "a folder of configs in place of those of sslax")


def _prepare(parser) -> None:
    text = "the name of the set, as TFDS has it, or clips:FOLDER for videos"
    parser.add_argument("set", nargs="?", help=text)
    option(parser, "data_dir", "where prepared data go", metavar="DIR")
    for name, what in (
        ("size", "side of the frames in pixels, 128"),
        ("rate", "frames a second, 10"),
        ("mels", "bands of the sound, 64"),
    ):
        option(parser, name, f"of videos: {what}", type=int, metavar="N")
    text = "write masks of what stands out in images, such as folder:PATH, there"
    option(parser, "foreground", text, metavar="DIR")


def _show_views(parser) -> None:
    _config(parser)
    _stage(parser)
    option(parser, "out", "the picture to write", required=True, metavar="FILE.png")


COMMANDS = {
    "pretrain": Command(
        "pretrain a method",
        _pretrain,
        "sslax pretrain --config=configs/simclr.py:cifar10 --workdir=/tmp/simclr",
    ),
    "plan": Command(
        "compile a config for chips that are not here and predict its step",
        _plan,
        "sslax plan --config=configs/mae.py:large --topology=v5e:16x16",
    ),
    "evaluate": Command(
        "evaluate a run and write its report",
        evaluate,
        "sslax evaluate --workdir=/tmp/simclr",
    ),
    "embed": Command(
        "write the features of a data set",
        embed,
        "sslax embed --workdir=/tmp/simclr --out=features.npz",
    ),
    "export": Command(
        "write the features of a run for jax, ONNX runtimes or timm",
        export,
        "sslax export --workdir=/tmp/simclr --format=onnx --out=simclr.onnx",
    ),
    "translate": Command(
        "write images as a run makes them of another domain",
        translate,
        "sslax translate --workdir=/tmp/cut --data=folder:/horses --out=zebras",
    ),
    "classify": Command(
        "tell which label fits an image, by a method that reads texts",
        classify,
        "sslax classify --workdir=/tmp/clip --labels=disc,ring,star image.png",
    ),
    "search": Command(
        "write a page of the images that are nearest to a text or an image",
        search,
        'sslax search --workdir=/tmp/clip --data=folder:/pets "a black cat" cat.jpg',
    ),
    "analyse": Command(
        "compare transformers layer by layer",
        _analyse,
        "sslax analyse --runs /tmp/mae /tmp/dino --out=layers.html",
    ),
    "convert": Command(
        "weights from PyTorch, and back",
        _convert,
        "sslax convert --from=timm vit.safetensors --model=vit_small_patch16_224 "
        "--out=/tmp/vit\n  sslax convert --to=timm /tmp/mae --out=encoder.safetensors",
    ),
    "configs": Command(
        "list the configs, or the fields of one",
        _configs,
        "sslax configs\n  sslax configs simclr:cifar10",
    ),
    "prepare": Command(
        "download a TFDS set, read videos once, or write masks of images",
        _prepare,
        "sslax prepare cifar10\n  sslax prepare clips:/videos --size=128 --rate=10"
        "\n  sslax prepare folder:/pets --foreground=/pets_masks",
    ),
    "show-views": Command(
        "draw what the loss sees",
        _show_views,
        "sslax show-views --config=configs/simclr.py:cifar10 --out=views.png",
    ),
}
