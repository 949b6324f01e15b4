"""What other backgrounds in training do for images on other backgrounds.

    python -m experiments.backgrounds --seeds 3 --workdir=/tmp/backgrounds

Trains `configs/moco_backgrounds.py:sample` and those beside it on shapes before grounds
that go with their class, one seed after the other, each in a folder of its own; a run
that is there already is gone on with, or read. Rows are accuracies of the task
`background_gap` on the test images, mean and deviation over seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sslax.commands.overrides import load_config
from sslax.results.evaluation import evaluate_run
from sslax.train.loop import pretrain

ARMS = {
    "MoCo v2": "sample_plain",
    "a grey background now and then": "sample_removed",
    "that of another image": "sample_random",
    "that of another image, and a negative on the own": "sample",
}
COLUMNS = {
    "original": "original",
    "mixed_same": "of the same class",
    "mixed_rand": "of another class",
    "only_background": "background alone",
    "background_gap": "gap",
}


def trained(variant: str, seed: int, folder: Path, epochs: int | None) -> Mapping:
    """The numbers of a run by row: of the network, and of what stands beside it."""
    changes = [("seed", str(seed)), ("evaluate.final", "False")]
    changes += [("evaluate.tasks", "({'name': 'background_gap'},)")]
    changes += [("epochs", str(epochs))] if epochs else []
    config = load_config(f"configs/moco_backgrounds.py:{variant}", changes)
    workdir = str(folder / f"{variant}_{seed}")
    return evaluate_run(*pretrain(config, workdir), workdir)


def line(name: str, runs: Sequence[Mapping[str, float]]) -> str:
    """A row of means and deviations; one run has no deviation."""
    cells = []
    for column in COLUMNS:
        values = [run[column] for run in runs]
        spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.1f}{spread}")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="by default those of the config")
    parser.add_argument("--workdir", type=Path, required=True)
    options = parser.parse_args()
    lines, beside = [], None
    for arm, variant in ARMS.items():
        runs = [
            trained(variant, seed, options.workdir, options.epochs)
            for seed in range(options.seeds)
        ]
        lines.append(line(arm, [run["network"] for run in runs]))
        beside = beside or runs
    print(f"| test images | {' | '.join(COLUMNS.values())} |")
    print(f"| --- |{' --- |' * len(COLUMNS)}")
    for row in ("raw pixels", "random network"):
        print(line(row, [run[row] for run in beside][: None if "net" in row else 1]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
