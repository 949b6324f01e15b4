"""The options of commands that take a config."""

from __future__ import annotations

from sslax.commands.run_options import option, workdir

__all__ = ["configs", "plan", "pretrain", "show_views"]


def _config(parser) -> None:
    text = "a config of sslax or a file and, after a colon, a variant"
    option(parser, "config", text, required=True, metavar="NAME[:VARIANT]")


def _stage(parser) -> None:
    text = "which stage of a config that has several"
    option(parser, "stage", text, metavar="NAME", otherwise="the config has but one")


def pretrain(parser) -> None:
    """Adds the options of `sslax pretrain`."""
    _config(parser)
    workdir(parser)
    text = "go on in the folder under a config that has changed"
    option(parser, "allow_config_change", text, flag=True)


def plan(parser) -> None:
    """Adds the options of `sslax plan`."""
    _config(parser)
    _stage(parser)
    text = "v5e:16x16, v5p:8x8x4, h100:4x8, ..."
    option(parser, "topology", text, required=True)
    text = "replicated, fsdp or fsdp:N"
    option(parser, "layout", text, otherwise="the config's own")
    text = "a file to write the plan to, as JSON"
    option(parser, "json", text, metavar="FILE", otherwise="it is only printed")
    text = "compile other layouts, remat, micro-batches"
    option(parser, "search", text, flag=True)
    option(parser, "scaling", "predict 8 to 1024 chips", flag=True)
    text = "with --scaling: compile for --topology alone"
    option(parser, "quick", text, flag=True)
    efforts = ["O0", "O1", "O2", "O3"]
    text = "of the compiler, O0 to O3; O0 is quick"
    option(parser, "effort", text, choices=efforts, default="O1")
    option(
        parser,
        "images_per_core",
        "images a second that a core decodes",
        type=float,
        metavar="N",
        otherwise="what was measured",
    )
    text = "list so many instructions that move most, through memory and over links"
    option(parser, "movers", text, type=int, metavar="N", default=0)


def show_views(parser) -> None:
    """Adds the options of `sslax show-views`."""
    _config(parser)
    _stage(parser)
    option(parser, "out", "the picture to write", required=True, metavar="FILE.png")


def configs(parser) -> None:
    """Adds the options of `sslax configs`."""
    text = "show the fields of this one, each with its meaning"
    parser.add_argument("config", nargs="?", metavar="NAME[:VARIANT]", help=text)
    option(parser, "dir", "a folder of configs", otherwise="those of sslax")
    text = "copy those of sslax into a new folder, DIR or DIR/configs, to be edited"
    option(parser, "copy", text, metavar="DIR", otherwise="nothing is copied")
