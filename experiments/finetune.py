"""Fine-tuning runs on 1 %, 10 % and all labels of the bundled sample.

    make demo
    python -m experiments.finetune --runs workdir/demo --workdir=workdir/finetune

prints a table of accuracies on the test images: the encoder of each run fine-tuned,
that encoder under a linear classifier fitted to the optimum, and the same network from
random weights, on the same labels; mean and deviation over seeds, each of which draws
others. Any run on the bundled sample will do whose encoder reads whole images:

    sslax pretrain --config=configs/mae.py:sample --workdir=workdir/mae
    python -m experiments.finetune --runs workdir/mae --workdir=workdir/finetune

    python -m experiments.finetune --runs workdir/demo --workdir=workdir/choose --choose

prints what several rates come to on a fifth of the training images that is held out for
it. `RATES` has the best ones for the demo's network; with --chosen=workdir/choose those
that were best there are taken. The test images have no part in the choice.
"""

import argparse
import itertools
import json
from pathlib import Path

import jax
import numpy as np

from sslax import calls, data, evaluate
from sslax.commands.overrides import load_config
from sslax.kinds import Builder
from sslax.train.checks import open_splits, tasks_of
from sslax.train.loop import pretrain
from sslax.train.readings import ask, numbers_of, read_network
from sslax.train.start import encoder_of
from sslax.train.workdir import read_config
from sslax.views import normalized

SAMPLE = dict(name="fashion_mnist_sample", split="train")
CONFIGS = {1: "sample_1", 10: "sample_10", 100: "sample"}
# Rates of the encoder and of the classifier: the best of GRID at 1 % and at 10 % of the
# labels alike, and taken over for all of them.
RATES = {"fine-tuned": (1e-3, 1e-3), "from scratch": (3e-3, 3e-3)}
GRID = ((1e-4, 1e-3), (3e-4, 1e-3), (1e-3, 1e-3), (3e-3, 3e-3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", required=True, help="folders of runs")
    parser.add_argument("--workdir", required=True, help="where the runs go")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--percent", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--choose", action="store_true", help="compare rates")
    parser.add_argument("--chosen", help="the --workdir of an earlier --choose")
    args = parser.parse_args()
    names = [Path(run).name for run in args.runs]
    if len(set(names)) < len(names):
        parser.error(f"runs are told apart by the names of their folders; got {names}")
    if args.choose:
        choose(args)
        return
    print(
        "| run | labels | fine-tuned | linear | from scratch |\n|---|---|---|---|---|"
    )
    for run in args.runs:
        for percent in args.percent:
            cells = [
                [trained(args, run, kind, percent, seed) for seed in range(args.seeds)]
                for kind in ("fine-tuned", "linear", "from scratch")
            ]
            shown = " | ".join(f"{np.mean(x):.1f} ± {np.std(x):.1f}" for x in cells)
            print(f"| {Path(run).name} | {percent} % | {shown} |", flush=True)


def choose(args) -> None:
    """What the rates come to on a fifth of the training images."""
    print("| run | labels | | encoder | classifier | held out |")
    print("|---|---|---|---|---|---|")
    cells = itertools.product(
        args.runs, args.percent, ("fine-tuned", "from scratch"), GRID
    )
    for run, percent, kind, rates in cells:
        score = trained(args, run, kind, percent, 0, rates, held_out=True)
        said = f"{Path(run).name} | {percent} % | {kind} | {rates[0]:g} | {rates[1]:g}"
        print(f"| {said} | {score:.1f} |", flush=True)


def trained(args, run, kind, percent, seed, rates=None, *, held_out=False) -> float:
    """The accuracy of one cell, percent; a run that is complete is not run again."""
    config = recipe(run, percent, seed, args.epochs, held_out=held_out)
    if kind == "linear":
        return linear(run, config)
    if kind == "fine-tuned":
        config["start"] = [run]
    trunk, head = rates or best(args.chosen, run, kind)
    config["optimizer"]["optimizer"]["learning_rate"] = trunk
    config["optimizer"]["others"][0][1]["learning_rate"] = head
    folder = folder_of(args.workdir, run, kind, percent, seed, (trunk, head))
    file = folder / "accuracy.json"
    if not file.exists():
        tuned, state = pretrain(config, str(folder))
        asked = ask(tuned, tasks_of(config), open_splits(tuned)[0])
        found = read_network(asked, state, "network").found
        file.write_text(json.dumps(numbers_of(found)))
    return json.loads(file.read_text())["top_1"]


def folder_of(workdir, run, kind, percent, seed, rates) -> Path:
    """Where a cell lies."""
    name = f"{kind}_{percent}_{seed}_{rates[0]:g}_{rates[1]:g}".replace(" ", "_")
    return Path(workdir) / Path(run).name / name


def best(chosen: str | None, run: str, kind: str) -> tuple[float, float]:
    """The rates that were best on held-out images, over all shares of labels tried."""
    if chosen is None:
        return RATES[kind]
    found = {}
    for rates in GRID:
        cells = folder_of(chosen, run, kind, "*", 0, rates)
        files = cells.parent.glob(f"{cells.name}/accuracy.json")
        scores = [json.loads(file.read_text())["top_1"] for file in files]
        if scores:
            found[rates] = np.mean(scores)
    if len(found) < len(GRID):
        raise ValueError(
            f"{chosen!r} has {len(found)} of {len(GRID)} rates of {Path(run).name},"
            f" {kind}: run --choose with that --workdir to its end"
        )
    return max(found, key=found.__getitem__)


def recipe(run: str, percent: int, seed: int, epochs=None, *, held_out=False) -> dict:
    """The variant of configs/finetune.py for a run, on the labels that a seed draws."""
    train, share = dict(SAMPLE), percent / 100
    overrides = [("seed", str(seed))]
    if epochs:
        overrides += [("epochs", str(epochs)), ("warmup_epochs", "0")]
    if held_out:
        train = dict(name="part", of=train, stop="80%")
        overrides += [("examples", str(80 * percent))]
    config = load_config(f"configs/finetune.py:{CONFIGS[percent]}", overrides)
    pretrained = read_config(run)
    views = config["evaluate"]["views"] = pretrained["evaluate"]["views"]
    config["views"]["view"]["size"] = views["view"]["size"]
    config["method"]["encoder"] = network(pretrained)
    if percent < 100:
        train = dict(name="subset", of=train, fraction=share, seed=seed)
    config["data"]["train"] = train
    config["data"]["test"] = {**SAMPLE, "split": "test"}
    if held_out:
        config["data"]["test"] = dict(name="part", of=dict(SAMPLE), start="80%")
    return config


def network(config: dict) -> dict:
    """The call of a run's encoder, of whose outputs a classifier reads one."""
    call = config["method"]["encoder"]
    several = not isinstance(call.get("output", "pooled"), str)
    return {**call, "output": "pooled"} if several else call


def linear(run: str, config: dict) -> float:
    """Logistic regression on the frozen encoder, the penalty chosen by the labels."""
    net, params, stats = encoder_of(
        run, output=config["method"]["encoder"].get("output", "pooled")
    )
    view = normalized(
        calls.build(config["evaluate"]["views"], Builder),
        statistics=config["normalize"],
    )
    read = jax.jit(
        lambda batch: net.apply(
            params, stats, view(jax.random.key(0), batch)["views"][0]
        )
    )
    sets = []
    for split in ("train", "test"):
        source = calls.build(config["data"][split], data.Source)
        batches = list(data.batches(source, 500))
        features = [np.asarray(read({"image": b["image"]})[0]) for b in batches]
        labels = np.concatenate([b["label"] for b in batches])
        sets += [np.concatenate(features), labels]
    x, y, test, truth = sets
    l2 = evaluate.choose_l2(x, y, classes=10, key=jax.random.key(0))
    logits = evaluate.logistic_regression(x, y, test, classes=10, l2=l2)
    return float(evaluate.accuracy(logits, truth))


if __name__ == "__main__":
    main()
