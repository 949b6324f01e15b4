"""The options of commands that read a run."""

from __future__ import annotations

__all__ = [
    "classify",
    "embed",
    "evaluate",
    "export",
    "option",
    "search",
    "step",
    "translate",
    "workdir",
]


def option(parser, name: str, text: str, *, flag: bool = False, **rest) -> None:
    """Adds `--name`; a flag takes no value."""
    if flag:
        rest |= {"action": "store_true"}
    else:
        rest.setdefault("metavar", name.upper())
    parser.add_argument(f"--{name}", help=text, **rest)


def workdir(parser) -> None:
    """Adds the folder of a run, and which process this is."""
    text = "the folder of the run"
    option(parser, "workdir", text, required=True, metavar="DIR")
    option(parser, "coordinator", "host:port of process 0, or auto")
    option(parser, "processes", "number of processes", type=int, default=0)
    option(parser, "process_id", "number of this process", type=int, default=-1)


def step(parser) -> None:
    """Adds which checkpoint of a run."""
    text = "which checkpoint; the newest by default"
    option(parser, "step", text, type=int, metavar="N")


def evaluate(parser) -> None:
    """Adds the options of `sslax evaluate`."""
    workdir(parser)
    step(parser)
    text = "training images, for converted weights: folder:/path, cifar10/train, ..."
    option(parser, "data", text)
    text = "test images, for converted weights; those that belong to --data by default"
    option(parser, "test", text, metavar="DATA")
    _seen(parser)


def _seen(parser) -> None:
    text = "side of the images; what converted weights were made for by default"
    option(parser, "image_size", text, type=int, metavar="PIXELS")
    text = "statistics that converted weights see images with; imagenet by default"
    option(parser, "normalize", text, metavar="NAME")


def embed(parser) -> None:
    """Adds the options of `sslax embed`."""
    workdir(parser)
    step(parser)
    option(parser, "data", "folder:/path, cifar10/test, ...; the run's own by default")
    text = "train or test, of the run's own data; test where there is one"
    option(parser, "split", text)
    text = "the file to write: .npz or .csv"
    option(parser, "out", text, required=True, metavar="FILE")
    _seen(parser)


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
    text = "side of the images; that of the run's evaluation by default"
    option(parser, "image_size", text, type=int, metavar="PIXELS")
    text = "statistics that converted weights see images with; imagenet by default"
    option(parser, "normalize", text, metavar="NAME")


def translate(parser) -> None:
    """Adds the options of `sslax translate`."""
    workdir(parser)
    step(parser)
    option(parser, "data", "folder:/path, ...; the run's own test images by default")
    text = "the folder to write, a PNG for each image"
    option(parser, "out", text, required=True, metavar="DIR")


def classify(parser) -> None:
    """Adds the options of `sslax classify`."""
    workdir(parser)
    step(parser)
    option(parser, "labels", "names of classes", required=True, metavar="A,B,...")
    option(parser, "template", "a sentence, {} for the name", action="append")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")


def search(parser) -> None:
    """Adds the options of `sslax search`."""
    workdir(parser)
    step(parser)
    option(parser, "data", "folder:/path, cifar10/test, ...", required=True)
    option(parser, "out", "the page to write", default="search.html")
    option(parser, "count", "images of each query", type=int, default=12)
    parser.add_argument("queries", nargs="+", help="texts, or image files")
