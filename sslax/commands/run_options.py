"""The options of commands that read a run."""

from __future__ import annotations

import argparse

__all__ = [
    "classify",
    "demo",
    "embed",
    "evaluate",
    "export",
    "neighbours",
    "option",
    "replay",
    "search",
    "step",
    "translate",
    "workdir",
]


def option(
    parser, name: str, text: str, *, flag: bool = False, otherwise: str = "", **rest
) -> None:
    """Adds `--name`; its help ends with what holds where it is not given.

    A flag takes no value. `otherwise` says what the default means, where it is not a
    value that a person would give.
    """
    if flag:
        rest |= {"action": "store_true"}
        otherwise = "off"
    else:
        rest.setdefault("metavar", name.upper())
    if rest.get("required"):
        text += " (required)"
    else:
        text += f" (default: {otherwise or '%(default)s'})"
    parser.add_argument(f"--{name}", help=text, **rest)


def workdir(parser) -> None:
    """Adds the folder of a run, and which process this is."""
    text = "the folder of the run"
    option(parser, "workdir", text, required=True, metavar="DIR")
    text = "host:port of process 0, or auto"
    option(parser, "coordinator", text, otherwise="one process alone")
    found = "as --coordinator=auto finds it"
    text = "number of processes"
    option(parser, "processes", text, type=int, default=0, otherwise=found)
    text = "number of this process, from 0"
    option(parser, "process_id", text, type=int, default=-1, otherwise=found)


def step(parser) -> None:
    """Adds which checkpoint of a run."""
    text = "which checkpoint: a step, or best, by the first of evaluate.online"
    option(parser, "step", text, type=_step, metavar="N", otherwise="the newest")


def _step(text: str) -> int | str:
    if text != "best" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"wants a number, or best; got {text!r}")
    return text if text == "best" else int(text)


def replay(parser) -> None:
    """Adds the options of `sslax replay`."""
    text = "the folder of a run that was stopped by nan or inf"
    parser.add_argument("workdir", metavar="WORKDIR", help=text)


def evaluate(parser) -> None:
    """Adds the options of `sslax evaluate`."""
    workdir(parser)
    step(parser)
    text = "training images, for converted weights: folder:/path, cifar10/train, ..."
    option(parser, "data", text, otherwise="the run's own")
    text, own = "test images, for converted weights", "those that belong to --data"
    option(parser, "test", text, metavar="DATA", otherwise=own)
    _seen(parser)


def _seen(parser, own: str = "that which converted weights were made for") -> None:
    """How images are seen."""
    text = "side of the images"
    option(parser, "image_size", text, type=int, metavar="PIXELS", otherwise=own)
    text = "statistics that converted weights see images with"
    option(parser, "normalize", text, metavar="NAME", otherwise="imagenet")


def embed(parser) -> None:
    """Adds the options of `sslax embed`."""
    _asked(parser)
    text = "the file to write: .npz, .csv or .parquet"
    option(parser, "out", text, required=True, metavar="FILE")
    _seen(parser)


def _asked(parser) -> None:
    """Which network, and which data it is asked about."""
    workdir(parser)
    step(parser)
    text = "folder:/path, cifar10/test, ..."
    option(parser, "data", text, otherwise="the run's own")
    text = "train or test, of the run's own data"
    option(parser, "split", text, otherwise="test where there is one")


def neighbours(parser) -> None:
    """Adds the options of `sslax neighbours`."""
    _asked(parser)
    option(parser, "out", "the page to write", default="neighbours.html")
    text = "nearest images of each"
    option(parser, "count", text, type=int, default=8, metavar="N")
    text = "least cosine of near-duplicates"
    option(parser, "threshold", text, type=float, default=0.95, metavar="COSINE")
    _seen(parser)
    text = "of the data, by file or by number (default: all)"
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=text)


def export(parser) -> None:
    """Adds the options of `sslax export`."""
    text = "the folder of a run, or of sslax convert"
    option(parser, "workdir", text, required=True, metavar="DIR")
    option(
        parser,
        "format",
        "jax, onnx, safetensors, or hf (a folder of timm's on the Hugging Face Hub)",
        required=True,
        choices=("jax", "onnx", "safetensors", "hf"),
    )
    text = "the file to write, or with hf the folder"
    option(parser, "out", text, required=True, metavar="PATH")
    step(parser)
    _seen(parser, "that of the run's evaluation")


def translate(parser) -> None:
    """Adds the options of `sslax translate`."""
    workdir(parser)
    step(parser)
    text = "folder:/path, ..."
    option(parser, "data", text, otherwise="the run's own test images")
    text = "the folder to write, a PNG for each image"
    option(parser, "out", text, required=True, metavar="DIR")
    text = "images of the target domain, to tell how far translations are from them"
    option(parser, "compare", text, metavar="DATA", otherwise="nothing is compared")
    text = "whose features compare: the folder of a run, or of sslax convert"
    option(parser, "encoder", text, metavar="DIR", otherwise="none")
    _seen(parser)


def demo(parser) -> None:
    """Adds the options of `sslax demo`."""
    text = "the folder of the run"
    option(parser, "workdir", text, default="workdir/demo", metavar="DIR")
    text = "when the clock of its last line started, in seconds of Unix time"
    option(parser, "start", text, type=float, metavar="TIME", otherwise="now")


def classify(parser) -> None:
    """Adds the options of `sslax classify`."""
    workdir(parser)
    step(parser)
    option(parser, "labels", "names of classes", required=True, metavar="A,B,...")
    text = "a sentence, {} for the name; may be given several times"
    option(parser, "template", text, action="append", otherwise="a photo of a {}.")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")


def search(parser) -> None:
    """Adds the options of `sslax search`."""
    workdir(parser)
    step(parser)
    option(parser, "data", "folder:/path, cifar10/test, ...", required=True)
    option(parser, "out", "the page to write", default="search.html")
    option(parser, "count", "images of each query", type=int, default=12)
    _seen(parser)
    parser.add_argument("queries", nargs="+", help="texts, or image files")
