"""Data scaling in masked image modelling: data x net x length, and what comes of it.

    python -m experiments.data_scaling --workdir=workdir/scaling --method mae \\
        --data fashion_mnist_sample synthetic:32:4096 \\
        --fractions 0.1 0.3 1 --sizes femto nano --steps 500 5000

pretrains one net for each cell of the grid, reads its loss on its own images and on
those of the test split, under the same crops and masks, and fine-tunes it. Lengths are
steps, whatever the data, each a whole schedule; small parts of the data lie in larger
ones.

Cells that are complete are skipped, and one that was cut off goes on where it was.
`--cells 1/4` to `--cells 4/4` deal them to four processes with one folder. Each ends
with the table, `data_scaling.json` and the page `data_scaling.html` of what is there by
then; `--table` draws these alone, from the folder or from a stored JSON file.

References:
  Xie et al., On Data Scaling in Masked Image Modeling, 2022, arXiv:2206.04664.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from experiments import scaling_page
from experiments.learning import machine
from experiments.scaling_cells import RECIPES, SIZES, Cell, Settings, measured
from sslax import platforms


def grid(args: argparse.Namespace) -> list[Cell]:
    """The cells of this process; the longest are dealt first."""
    axes = (args.data, args.method, args.sizes, args.fractions, args.steps, args.seeds)
    cells = list(itertools.starmap(Cell, itertools.product(*axes)))
    cells.sort(key=lambda cell: -cell.steps)
    first, count = args.cells
    return cells[first - 1 :: count]


def dealt(text: str) -> tuple[int, int]:
    """`I/N`: the I-th of N processes."""
    first, _, count = text.partition("/")
    if not (first.isdigit() and count.isdigit() and 1 <= int(first) <= int(count)):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected 1/N to N/N")
    return int(first), int(count)


def complete(file: Path, settings: Settings) -> bool:
    """Whether a cell has its numbers, and of these settings."""
    if not file.exists():
        return False
    row = json.loads(file.read_text())
    for name, value in settings._asdict().items():
        if row[name] != value:
            raise ValueError(
                f"{file} was measured with {name}={row[name]}, not {value}; give "
                "the same settings or another --workdir"
            )
    return True


def run(
    cells: Sequence[Cell],
    settings: Settings,
    workdir: Path,
    *,
    made: dict[str, Any],
    measure: Callable[..., dict[str, Any]] = measured,
    say: Callable[[str], None] = print,
) -> None:
    """Measures what is not there yet; each cell is a file, written whole."""
    files = {cell: workdir / "cells" / f"{cell.name}.json" for cell in cells}
    todo = [cell for cell in cells if not complete(files[cell], settings)]
    for cell in todo:
        found = measure(cell, settings, workdir / "runs" / cell.name)
        row = {**cell._asdict(), **settings._asdict(), **found, **made}
        write(files[cell], json.dumps(row, indent=1) + "\n")
        say(json.dumps({**cell._asdict(), **found}))


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f".{jax.process_index()}.new")
    new.write_text(text)
    new.replace(file)


def stored(workdir: Path) -> list[dict[str, Any]]:
    files = sorted((workdir / "cells").glob("*.json"))
    return [json.loads(file.read_text()) for file in files]


def draw(rows: list[dict[str, Any]], out: Path, say=print) -> None:
    """The table, the JSON file of all cells, and the page."""
    if not rows:
        raise SystemExit("no cell is complete")
    write(out / "data_scaling.json", json.dumps(rows, indent=1) + "\n")
    write(out / "data_scaling.html", scaling_page.drawn(rows))
    say(scaling_page.table(rows))
    say(f"page: {out / 'data_scaling.html'}")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Settings()
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="of the JSON and the page")
    parser.add_argument("--data", nargs="+", default=["fashion_mnist_sample"])
    parser.add_argument("--method", nargs="+", default=["mae"], choices=RECIPES)
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["femto", "nano"],
        help=f"{', '.join(SIZES)}, tiny, small, base, ...; patches of 4 pixels",
    )
    parser.add_argument("--fractions", nargs="+", type=float, default=[0.1, 0.3, 1.0])
    parser.add_argument("--steps", nargs="+", type=int, default=[500, 5000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--cells", type=dealt, default=(1, 1), metavar="I/N")
    parser.add_argument("--table", nargs="?", const="", help="draw, do not run")
    for name, value in shared._asdict().items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    out = args.out or args.workdir
    if args.table is None:
        platforms.keep_memory()
        # Cells of other data compile the same programs.
        if jax.config.jax_compilation_cache_dir is None:
            folder = str(args.workdir / "compiled")
            jax.config.update("jax_compilation_cache_dir", folder)
        settings = Settings(**{name: getattr(args, name) for name in Settings._fields})
        words = " ".join(sys.argv[1:] if arguments is None else arguments)
        device = {"device": jax.devices()[0].device_kind}
        made = {
            "command": f"python -m experiments.data_scaling {words}",
            "machine": {**machine(), **device, "devices": jax.device_count()},
        }
        run(grid(args), settings, args.workdir, made=made)
    rows = json.loads(Path(args.table).read_text()) if args.table else None
    draw(stored(args.workdir) if rows is None else rows, out)


if __name__ == "__main__":
    main()
