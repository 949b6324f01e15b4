"""The options of every command; nothing here is slow to import."""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from sslax.calls import nearest
from sslax.commands.config_options import configs, plan, pretrain, show_views
from sslax.commands.run_options import (
    classify,
    demo,
    embed,
    evaluate,
    export,
    neighbours,
    option,
    replay,
    search,
    translate,
)

__all__ = ["COMMANDS", "parse"]


# What argparse says, and what is said instead.
_WORDS = (
    (r"the following arguments are required", "needs"),
    (r"unrecognized arguments", "not expected"),
    (r"argument (\S+): expected (at least )?one argument", r"\1 needs a value"),
    (r"argument (\S+): invalid int value: (.*)", r"\1 takes a whole number; got \2"),
    (r"argument (--\S+): wants", r"\1 wants"),
)
_CHOICE = r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)"


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
    takes_config = command.add in (plan, pretrain, show_views)
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
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    if wrong := re.fullmatch(_CHOICE, message):
        choices = re.findall(r"[^', ]+", wrong[3])
        message = f"{wrong[1]}={wrong[2]}: {nearest(wrong[2], choices)}"
    print(f"{parser.prog}: {message}", file=sys.stderr)
    sys.exit(2)


def _check_known(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    known = [x for x in parser._option_string_actions if x.startswith("--")]
    for name in (x.split("=")[0] for x in arguments if x.startswith("--")):
        if name.startswith("--config."):
            what = "a run keeps the config that it was trained with"
            parser.error(f"{name}: this command takes no fields of a config; {what}")
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


def _analyse(parser) -> None:
    text = "folders of runs or converted weights, or RUN:extra/teacher/encoder"
    option(parser, "runs", text, required=True, nargs="+", metavar="RUN")
    option(parser, "out", "the page to write", required=True, metavar="FILE.html")
    text = "folder:/path, cifar10/train, ..."
    option(parser, "data", text, otherwise="the first run's own")
    text = "how many images of each split"
    option(parser, "images", text, type=int, default=1000, metavar="N")
    text = "side of the images that converted weights see"
    otherwise = "what they were made for"
    option(parser, "image_size", text, type=int, metavar="PIXELS", otherwise=otherwise)
    text = "statistics that converted weights see images with"
    option(parser, "normalize", text, default="imagenet", metavar="NAME")


def _convert(parser) -> None:
    parser.add_argument("path", nargs="?", help="the file to read, or with --to a run")
    names = ["timm", "torch"]
    for name, text, other in (
        ("from", "whose names the file has: timm, torch", "--to is given"),
        ("to", "whose names to write: timm, torch", "--from is given"),
    ):
        option(parser, name, text, choices=names, otherwise=other)
    option(parser, "out", "the file or folder to write", required=True)
    text = "a network's name there, or a call as JSON; --from needs it"
    option(parser, "model", text, otherwise="that of the run")
    for name, text, other, more in (
        (
            "image_size",
            "side of the images the weights are for",
            "that of the network, or of the run's evaluation",
            dict(type=int, metavar="PIXELS"),
        ),
        (
            "inputs",
            "shapes that a head or decoder takes: 1x50x768,1x196:int32",
            "images of that side",
            dict(metavar="SHAPES"),
        ),
        ("prefix", "what stands before the names", "it is found", {}),
    ):
        option(parser, name, text, otherwise=other, **more)
    text = "which network of a run: params/encoder, or extra/teacher/encoder"
    option(parser, "take", text, default="params/encoder", metavar="PATH")


def _prepare(parser) -> None:
    text = "the name of the set, as TFDS has it, or clips:FOLDER for videos"
    parser.add_argument("set", nargs="?", help=text)
    text = "where prepared data go"
    option(
        parser,
        "data_dir",
        text,
        metavar="DIR",
        otherwise="$SSLAX_DATA_DIR or ~/.cache/sslax",
    )
    for name, what, other in (
        ("size", "side of the frames in pixels", "128"),
        ("rate", "frames a second", "10"),
        ("mels", "bands of the sound", "64"),
    ):
        text = f"of videos: {what}"
        option(parser, name, text, type=int, metavar="N", otherwise=other)
    text = "write masks of what stands out in images, such as folder:PATH, there"
    option(parser, "foreground", text, metavar="DIR", otherwise="no masks")
    text = "draw a test split of images, such as folder:PATH, into this table"
    option(parser, "table", text, metavar="FILE.csv", otherwise="no table")
    text = "share of a table that is for testing"
    option(parser, "test", text, metavar="SHARE", otherwise="20%%")
    option(parser, "seed", "of what a table draws", type=int, default=0, metavar="N")


COMMANDS = {
    "demo": Command(
        "pretrain on images that sslax brings, evaluate, report: minutes on a laptop",
        demo,
        "sslax demo --workdir=/tmp/demo",
    ),
    "pretrain": Command(
        "pretrain a method",
        pretrain,
        "sslax pretrain --config=configs/simclr.py:cifar10 --workdir=/tmp/simclr",
    ),
    "plan": Command(
        "compile a config for chips that are not here and predict its step",
        plan,
        "sslax plan --config=configs/mae.py:large --topology=v5e:16x16",
    ),
    "replay": Command(
        "say which layer or loss of a run was the first to be nan or inf",
        replay,
        "sslax replay /tmp/simclr",
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
    "neighbours": Command(
        "write a page of nearest images and of near-duplicates",
        neighbours,
        "sslax neighbours --workdir=/tmp/simclr --data=folder:/pets --out=alike.html",
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
        "list the configs, show the fields of one, or copy all to be edited",
        configs,
        "sslax configs\n  sslax configs simclr:cifar10\n  sslax configs --copy=configs",
    ),
    "prepare": Command(
        "download a TFDS set, read videos or emoji, draw a test split, write masks",
        _prepare,
        "sslax prepare cifar10\n  sslax prepare clips:/videos --size=128 --rate=10"
        "\n  sslax prepare emoji:/path/emoji-datasource-google"
        "\n  sslax prepare folder:/pets --table=/pets/split.csv --test=20%"
        "\n  sslax prepare folder:/pets --foreground=/pets_masks",
    ),
    "show-views": Command(
        "draw what the loss sees",
        show_views,
        "sslax show-views --config=configs/simclr.py:cifar10 --out=views.png",
    ),
}
