"""The learning race: every method with the same budget, on the same small data.

    python -m experiments.learning --methods simclr,mae --budget 3 --peer PYTHON
    python -m experiments.learning --all --seeds 3
    python -m experiments.learning --table      # draw the stored rows again
    python -m experiments.learning --merge FILE # and add the rows of another machine

Each method trains the network family and the data that are its own
(`configs/NAME.py:sample`), for as many steps as the budget allows here, and is read
alike: kNN, linear, ten labels a class, RankMe. Beside it stand raw pixels, the random
network of the same architecture, and as `classifier` the supervised network of the same
budget (`configs/finetune.py:sample` from random weights). With --peer, an interpreter
that has lightly and timm, lightly's implementation of the same method runs with the
same encoder, batch, steps and optimizer.

With --layers=layer1,layer2 inner layers of the encoder are read too, whole: the papers
of pretext tasks probe every layer.

Recipes are chosen with --held_out, which reads a tenth of the training images in place
of the test images, and --set, which changes a field. Other rows are added to
experiments/results/learning.json, or to --results, as they come.
"""

from __future__ import annotations

import argparse
import functools
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.benchmarks.peers import Peers
from experiments.learning_readings import numbers, random_numbers, readers
from experiments.learning_table import draw
from sslax import augment, calls, data, methods, platforms
from sslax.commands.overrides import load_config
from sslax.commands.staged import is_staged
from sslax.stages import run_to_the_end
from sslax.train.loop import first_state, steps
from sslax.train.run import Run, build_run, open_source
from sslax.train.start import graft, grafts_of

RESULTS = Path(__file__).parent / "results" / "learning.json"
PEERS = ("barlow_twins", "byol", "dino", "mae", "moco", "nnclr", "simclr", "simsiam")
PEERS += ("swav", "vicreg")
# Those that read other runs or labels are no contestants.
ASIDE = ("classifier", "distillation", "supcon")


def config_of(
    name: str, source: str, *, held_out: bool, seed: int, changes: Sequence = ()
) -> dict[str, Any]:
    """The sample recipe of a method, on its own data or other, with changes.

    Of stages it is the last; those before it stand under "before" and keep their steps.
    """
    file = "finetune" if name == "classifier" else name  # random weights, all labels
    recipe = f"configs/{file}.py:sample"
    plain = load_config(recipe)
    stages = plain if is_staged(plain) else {"": plain}
    *before, last = stages
    source = source or stages[last]["data"]["train"]
    train, test = source, ""
    if held_out:
        train, test = part(source, stop="90%"), part(source, start="90%")
    own = {"data.train": train, "data.test": test, "seed": seed}
    own["examples"] = len(calls.build(train, data.Source))
    fields = [(field, str(value)) for field, value in own.items()]
    if not before:
        return load_config(recipe, [*fields, *changes])
    fields = [
        (f"{stage}.{field}", value) for stage in stages for field, value in fields
    ]
    fields += [(f"{last}.{field}", value) for field, value in changes]
    stages = load_config(recipe, fields)
    return {**stages[last], "before": {name: stages[name] for name in before}}


def part(source: Any, **borders: str) -> dict[str, Any]:
    """The call of a part of data, which are a short form or a call."""
    of = data.parse(source) if isinstance(source, str) else source
    return {"name": "part", "of": of, **borders}


def called(source: Any) -> str:
    """What rows and tables call data."""
    return source if isinstance(source, str) else json.dumps(source)


def epochs_of(config: Mapping[str, Any], steps: int) -> tuple[str, str]:
    """The change that gives a run about so many steps; schedules follow.

    It is longer than its warm-up, however small the budget.
    """
    epochs = round(steps / config["steps_per_epoch"])
    return "epochs", str(max(config["warmup_epochs"] + 1, epochs))


def seconds_a_step(run: Run, *, count: int = 20) -> float:
    """Of steps that are compiled."""
    began = [0.0]
    for step, _, metrics in steps(run, first_state(run), stop=count + 2):
        jax.block_until_ready(metrics)
        if step == 2:
            began[0] = time.monotonic()
    return (time.monotonic() - began[0]) / count


def started(run: Run) -> Any:
    """The first state, with what the stages before have learned."""
    before, given = run.config.get("before", {}), run.program.method.given
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: str(Path(folder) / name) for name in before}
        for name, config in before.items():
            config["evaluate"]["final"] = False
            run_to_the_end(config, runs[name], runs=runs)
        return graft(first_state(run), grafts_of(run.config, runs), given=given)


def train(run: Run) -> tuple[Any, float]:
    """The last state, and seconds without compiling."""
    state, began = started(run), time.monotonic()
    for step, newest, metrics in steps(run, state):
        state = newest
        if step == run.config["steps_per_call"]:
            jax.block_until_ready(metrics)
            began = time.monotonic()
    jax.block_until_ready(state)
    return state, time.monotonic() - began


def race(name: str, args: argparse.Namespace, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of one method and one seed: ours, random, and lightly's."""
    made = functools.partial(
        config_of, name, args.data, held_out=args.held_out, seed=seed
    )
    config = made(changes=args.changes)
    count = args.steps or int(60 * args.budget / seconds_a_step(build_run(config)))
    config = made(changes=[*args.changes, epochs_of(config, count)])
    run = build_run(config)
    sources = sources_of(config)
    labels = [data.read_labels(source) for source in sources]
    common = {"method": name, "data": called(config["data"]["train"]), "seed": seed}
    common["steps"] = config["steps"]
    read = readers(run, made, [*args.changes, epochs_of(config, count)], args.layers)
    first = first_state(run)
    for layer, features in read.items():
        before = random_numbers(features(first, sources), labels, seed)
        yield {**common, "row": f"random network{layer}", **before}
    state, seconds = train(run)
    images = config["steps"] * config["batch_size"]
    speed = {"images_per_second": images / seconds, "seconds": seconds}
    for layer, features in read.items():
        after = numbers(features(state, sources), labels, seed)
        yield {**common, "row": f"sslax{layer}", **speed, **after}
    if args.peer and name in PEERS:
        theirs, answer = peer_features(args.peer, config, sources, workers=args.workers)
        speed = {"images_per_second": images / answer["seconds"]}
        speed |= {"seconds": answer["seconds"], "torch": answer["torch"]}
        yield {**common, "row": "lightly", **speed, **numbers(theirs, labels, seed)}


def sources_of(config: Mapping[str, Any]) -> list[data.Source]:
    """What is trained on, and what is judged on."""
    return [open_source(config, split) for split in ("train", "test")]


def pixels_of(source: data.Source) -> np.ndarray:
    """Images, or clips."""
    name = "image" if "image" in source.fields else "video"
    return np.concatenate([batch[name] for batch in data.batches(source, 500)])


def peer_features(python: str, config: dict, sources: list, *, workers: int):
    """Features of lightly's network, and what it said of its run."""
    statistics = statistics_of(config["normalize"])
    with tempfile.TemporaryDirectory() as folder:
        images, out = Path(folder) / "images.npz", Path(folder) / "features.npz"
        train_x, test_x = (pixels_of(source) for source in sources)
        np.savez(images, train=train_x, test=test_x)
        peers = Peers(python, "experiments.learning_peers")
        answer = peers.ask(
            config=config,
            images=str(images),
            out=str(out),
            statistics=statistics,
            workers=workers,
        )
        peers.close()
        read = np.load(out)
        return [read["train"], read["test"]], answer


def statistics_of(name: str) -> dict[str, list[float]]:
    """Mean and deviation by channel, as torchvision's Normalize takes them."""
    zero = np.asarray(augment.normalize(np.zeros((1, 1, 1, 1)), statistics=name))
    one = np.asarray(augment.normalize(np.ones((1, 1, 1, 1)), statistics=name))
    deviation = 1.0 / (one - zero).reshape(-1)
    mean = -zero.reshape(-1) * deviation
    return {"mean": mean.tolist(), "std": deviation.tolist()}


def pixel_row(config: Mapping[str, Any]) -> dict[str, Any]:
    sources = sources_of(config)
    labels = [data.read_labels(source) for source in sources]
    pixels = [pixels_of(source) / np.float32(255) for source in sources]
    own = {"method": "-", "data": called(config["data"]["train"]), "seed": 0}
    return {**own, "row": "raw pixels", **numbers(pixels, labels, 0)}


def machine() -> dict[str, Any]:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    versions = {"python": platform.python_version(), "jax": jax.__version__}
    made = {"cpu": names[0] if names else platform.processor(), **versions}
    device = jax.devices()[0]
    return made if device.platform == "cpu" else {**made, "device": device.device_kind}


def contestants(args: argparse.Namespace) -> list[str]:
    if not args.all:
        return args.methods.split(",")
    return [name for name in methods.__all__ if name not in ASIDE] + ["classifier"]


def storing(args: argparse.Namespace) -> Callable[[list[dict[str, Any]]], None]:
    """What writes the rows of this run, with what made them, behind those stored."""
    file = Path(args.results)
    stored = json.loads(file.read_text()) if file.exists() else []
    shown = {args.peer: "PYTHON", args.results: "FILE"}  # where they lie says nothing
    words = [shown.get(word, word) for word in sys.argv[1:]]
    command = " ".join(["python -m experiments.learning", *words])
    run = {"command": command, **machine()}
    file.parent.mkdir(exist_ok=True)

    def store(rows):
        write(file, [*stored, {**run, "rows": rows}])

    return store


def write(file: Path, runs: list[dict[str, Any]]) -> None:
    file.write_text(json.dumps(runs, indent=1) + "\n")


def without_speed(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a machine on which other work ran as well."""
    return {k: v for k, v in row.items() if k not in ("images_per_second", "seconds")}


def merge(file: Path, others: list[str], *, shared: bool) -> None:
    """Adds the runs of other files; a run that is there already is not added again."""
    runs = json.loads(file.read_text()) if file.exists() else []
    for other in others:
        for run in json.loads(Path(other).read_text()):
            rows = [without_speed(row) if shared else row for row in run["rows"]]
            if rows and {**run, "rows": rows} not in runs:
                runs.append({**run, "rows": rows})
    write(file, runs)


def add_changes(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds `--set FIELD=VALUE`, as often as there are fields to change."""
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        type=lambda text: tuple(text.split("=", 1)),
        metavar="FIELD=VALUE",
        help=f"change a field {what}",
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", default="simclr,byol,moco,mae,classifier")
    parser.add_argument("--all", action="store_true", help="every method")
    parser.add_argument("--data", default="", help="in place of that of the recipes")
    parser.add_argument("--budget", type=float, default=2.0, help="minutes a run")
    parser.add_argument("--steps", type=int, help="of a run, in place of the budget")
    add_changes(parser, "of every recipe, such as optimizer.learning_rate=2e-3")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--peer", help="a Python with lightly and timm")
    parser.add_argument("--workers", type=int, default=2, help="of lightly's loader")
    parser.add_argument("--held_out", action="store_true", help="to choose recipes")
    parser.add_argument("--layers", default="", help="of the encoder, read as well")
    parser.add_argument("--results", default=str(RESULTS), help="where rows go")
    parser.add_argument(
        "--shared", action="store_true", help="no speed: others ran too"
    )
    parser.add_argument("--table", action="store_true", help="draw the stored rows")
    parser.add_argument("--merge", nargs="*", default=[], help="files of other runs")
    return parser.parse_args(arguments)


def main(say: Callable[[str], None] = print) -> None:
    args = parse()
    if args.merge:
        merge(Path(args.results), args.merge, shared=args.shared)
    if args.table or args.merge:
        say(draw(json.loads(Path(args.results).read_text())))
        return
    platforms.keep_memory()
    names = contestants(args)
    rows: list[dict[str, Any]] = []
    store = (lambda rows: None) if args.held_out else storing(args)

    def keep(row):
        row = without_speed(row) if args.shared else row
        say(json.dumps(row))
        rows.append(row)
        store(rows)

    made = functools.partial(
        config_of, source=args.data, held_out=args.held_out, seed=0
    )
    for config in {called(c["data"]["train"]): c for c in map(made, names)}.values():
        keep(pixel_row(config))
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in names:
            for row in race(name, args, seed):
                keep(row)
    say(draw([{"rows": rows}]))


if __name__ == "__main__":
    main()
