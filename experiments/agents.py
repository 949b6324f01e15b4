"""Agents with the contrast and without it, at equal steps: what their episodes return.

    python -m experiments.agents --seeds 3 --workdir=/tmp/agents

Trains `configs/curl.py:sample` and `:sample_alone`, one seed after the other, each in a
folder of its own; a run that is there already is gone on with, or read. Rows are the
returns of ten episodes after each so many steps, mean and deviation over seeds, beside
those of actions drawn at random.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import jax
import numpy as np

from sslax import calls
from sslax.commands.overrides import load_config
from sslax.environments import Environment, play_episodes
from sslax.train.loop import pretrain
from sslax.train.writers import read_jsonl

ARMS = {"with the contrast": "sample", "without it": "sample_alone"}
EPISODES = 100


def trained(variant: str, seed: int, folder: Path, steps: int | None) -> dict:
    """The returns of a run by step."""
    changes = [("seed", str(seed)), ("evaluate.final", "False")]
    changes += [("steps", str(steps))] if steps else []
    config = load_config(f"configs/curl.py:{variant}", changes)
    pretrain(config, str(folder / f"{variant}_{seed}"))
    rows = read_jsonl(folder / f"{variant}_{seed}" / "metrics.jsonl")
    return {row["step"]: row["return"] for row in rows if "return" in row}


def chance(environment: Environment) -> np.ndarray:
    """Returns of actions that are drawn evenly."""

    def act(stacks, key):
        shape = (len(stacks), environment.actions)
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

    play = play_episodes(environment, act, count=EPISODES, shown=0)
    return np.asarray(play(jax.random.key(0)).rewards).sum(axis=1)


def cell(values) -> str:
    """Mean and deviation."""
    return f"{np.mean(values):.0f} ± {np.std(values):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="by default those of the config")
    parser.add_argument("--workdir", type=Path, required=True)
    options = parser.parse_args()
    found = {
        arm: [
            trained(variant, seed, options.workdir, options.steps)
            for seed in range(options.seeds)
        ]
        for arm, variant in ARMS.items()
    }
    spec = load_config("configs/curl.py:sample")["feed"]["environment"]
    lucky = chance(calls.build(spec, Environment))
    steps = sorted(next(iter(found.values()))[0])
    print(f"{platform.processor() or platform.machine()}, seeds {options.seeds}")
    print(f"| steps of training | {' | '.join(map(str, steps))} |")
    print(f"| --- |{' --- |' * len(steps)}")
    for arm, runs in found.items():
        cells = [cell([run[step] for run in runs]) for step in steps]
        print(f"| {arm} | {' | '.join(cells)} |")
    print(f"actions drawn at random: {cell(lucky)} over {EPISODES} episodes")


if __name__ == "__main__":
    main()
