"""The search of Evolving Losses: weights of all terms by CMA-ES; no labels are read.

    python -m experiments.evolve --workdir=/tmp/evolve
    python -m experiments.evolve --workdir=DIR --config=configs/evolving.py:sample \
        --set data.train=clips:/videos --set examples=52000 --generations=20

Every member of the population is the same run with other weights: the same first
network, batches, views and length. Its fitness says how well the clusters of held-out
clips (`evaluate.held_out` of the config) follow Zipf's law. What is known of a member
is a line of DIR/archive.jsonl: stopped at any time, the same command goes on, and ends
as if it had not been stopped. One compilation serves all, since weights are an array.

At the end, labels judge the search, which has not seen them: Spearman's rho of fitness
and linear probe over the archive; random and collapsed features; and the best weights
beside equal ones, with other seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from experiments.learning import add_changes
from sslax import calls, data, evaluate, losses, platforms
from sslax.commands.overrides import load_config
from sslax.core import State
from sslax.train.feed import loader_feed
from sslax.train.loop import first_state, steps
from sslax.train.outputs import outputs_of
from sslax.train.run import Run, build_run, open_source

WORST = -100.0
"""The fitness of a member whose features are not finite."""
Row = dict[str, Any]


class Settings(NamedTuple):
    """What an archive belongs to.

    Attributes:
      config: the run of a member, with a method that keeps its weights in `extra`.
      changes: fields of the config that are set.
      population: members of a generation.
      generations: how many there are.
      deviation: of the first generation around weights of a half.
      clusters: of k-means.
      seed: of the search; that of the runs is the config's.
    """

    config: str = "configs/evolving.py:search"
    changes: tuple[tuple[str, str], ...] = ()
    population: int = 8
    generations: int = 6
    deviation: float = 0.3
    clusters: int = 16
    seed: int = 0


def search(
    settings: Settings, size: int, rows: list[Row], score: Callable[[np.ndarray], Row]
) -> Iterator[Row]:
    """Every member in its order, those that `rows` holds as they stand there.

    Args:
      settings: of the search.
      size: how many weights there are, each in [0, 1].
      rows: an earlier part of the same search.
      score: `weights -> row` with "fitness", larger is better.

    Yields:
      Rows with "generation", "place", "weights", and what `score` said.

    Raises:
      ValueError: if the rows are not of this search.
    """
    strategy, known = _strategy(settings, size), iter(rows)
    for generation in range(settings.generations):
        members, costs = strategy.ask(), []
        for place, weights in enumerate(members):
            own = {"generation": generation, "place": place, "weights": list(weights)}
            row = next(known, None) or {**own, **score(weights)}
            if {key: row[key] for key in own} != own:
                raise ValueError(
                    f"member {place} of generation {generation} is another"
                )
            yield row
            costs.append(-row["fitness"])
        strategy.tell(members, costs)


def _strategy(settings: Settings, size: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like to plot
        import cma

    rng = np.random.default_rng(settings.seed)
    options = {
        "bounds": [0, 1],
        "popsize": settings.population,
        "seed": np.nan,  # nothing of NumPy's own state, which others draw from
        "randn": lambda *shape: rng.standard_normal(shape),
        "verbose": -9,
    }
    return cma.CMAEvolutionStrategy(size * [0.5], settings.deviation, options)


def fitness(features: np.ndarray, *, clusters: int) -> float:
    """How well the clusters of features follow Zipf's law; at most 0.

    Features are taken from their mean and scaled so that their mean square distance to
    the centre of their cluster is 1: no network is fitter for the size of its features,
    and those that all but stand still are of one place.
    """
    from sklearn.cluster import KMeans

    if not np.isfinite(features).all():
        return WORST
    x = np.asarray(features, np.float64)
    size, x = np.mean(np.sum(x**2, axis=1)), x - x.mean(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer places than clusters
        found = KMeans(clusters, n_init=4, random_state=0).fit(x)
    scale = np.sqrt(found.inertia_ / len(x) + 1e-8 * size + 1e-30)
    centres = jnp.asarray(found.cluster_centers_ / scale, jnp.float32)
    return float(losses.zipf_fitness(jnp.asarray(x / scale, jnp.float32), centres))


def linear(features: np.ndarray, labels: np.ndarray) -> float:
    """Percent of the second half that a classifier of the first half knows."""
    if not np.isfinite(features).all():
        return 0.0
    half = len(features) // 2
    scores = evaluate.logistic_regression(
        features[:half],
        labels[:half],
        features[half:],
        classes=int(labels.max()) + 1,
        l2=1e-2,
    )
    return float(evaluate.accuracy(scores, labels[half:]))


class Judge:
    """Trains members and reads their features; everything is compiled once."""

    def __init__(self, config: Mapping[str, Any], clusters: int) -> None:
        self.run, self.clusters = build_run(config), clusters
        held_out = calls.build(config["evaluate"]["held_out"], data.Source)
        tested = open_source(config, "test")
        self.sources = [data.in_memory(source) for source in (held_out, tested)]
        self.labels = data.read_labels(tested)
        self._read = outputs_of(self.run, ("features",))

    def seeded(self, seed: int) -> Run:
        """The same programs with the first network, batches and views of a seed."""
        config = {**self.run.config, "seed": seed}
        loader = data.loader(
            self.run.loader.source, batch_size=config["batch_size"], seed=seed
        )
        feed = loader_feed(
            loader, self.run.program.mesh, steps_per_call=config["steps_per_call"]
        )
        return self.run._replace(config=config, loader=loader, feed=feed)

    def numbers(self, state: State) -> Row:
        """What is known of the features of a state."""
        held_out, tested = (
            np.asarray(self._read(state, source).outputs["features"])
            for source in self.sources
        )
        return {
            "fitness": fitness(held_out, clusters=self.clusters),
            "linear": linear(tested, self.labels),
        }

    def trained(self, weights: Any, run: Run | None = None) -> Row:
        """The numbers of a run with these weights."""
        run, began = run or self.run, time.monotonic()
        state = weighed(first_state(run), weights)
        for _, newest, _ in steps(run, state):
            state = newest
        return {**self.numbers(state), "seconds": time.monotonic() - began}

    def size(self) -> int:
        """How many weights there are."""
        return len(self.run.program.shapes.extra["weights"])


def weighed(state: State, weights: Any) -> State:
    """The state with other weights of its terms."""
    old = state.extra["weights"]
    new = jax.device_put(np.asarray(weights, old.dtype), old.sharding)
    return dataclasses.replace(state, extra={**state.extra, "weights": new})


def final(judge: Judge, best: list[float], seeds: int) -> Iterator[Row]:
    """Random and collapsed features, equal and found weights, by seed."""
    yield {
        "row": "collapsed",
        "seed": 0,
        "fitness": fitness(np.ones((512, 8)), clusters=judge.clusters),
    }
    for seed in range(1, seeds + 1):
        run = judge.seeded(seed)
        made = {"equal weights": np.ones(len(best)), "found weights": best}
        yield {"row": "random network", "seed": seed, **judge.numbers(first_state(run))}
        for name, weights in made.items():
            yield {"row": name, "seed": seed, **judge.trained(weights, run)}


def table(archive: list[Row], rows: list[Row]) -> str:
    """What the search found, as Markdown."""
    columns = [[row[key] for row in archive] for key in ("fitness", "linear")]
    rho, p = stats.spearmanr(*columns)
    best = max(archive, key=lambda row: row["fitness"])
    lines = [
        f"Spearman's rho of fitness and linear probe over {len(archive)} members:"
        f" {rho:.2f} (p = {p:.2g}). Best: member {best['place']} of generation"
        f" {best['generation']}, fitness {best['fitness']:.4f}.",
        "",
        "| | fitness | linear |",
        "| --- | --- | --- |",
    ]
    for name in dict.fromkeys(row["row"] for row in rows):
        own = [row for row in rows if row["row"] == name]
        cells = [
            _cell([row[k] for row in own if k in row]) for k in ("fitness", "linear")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    digits = 1 if max(values) > 0 else 4
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def read_rows(file: Path) -> list[Row]:
    """The whole lines of a file; what was cut off by a kill is taken away."""
    text = file.read_text() if file.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def opened(folder: Path, settings: Settings) -> list[Row]:
    """What an earlier part of the same search left in its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file, own = folder / "settings.json", json.loads(json.dumps(settings._asdict()))
    earlier = json.loads(file.read_text()) if file.exists() else own
    # More generations are the same search, longer.
    differing = [k for k in own if own[k] != earlier[k] and k != "generations"]
    if differing:
        name = differing[0]
        raise ValueError(
            f"{str(folder)!r} holds a search with {name}={earlier[name]}, not"
            f" {own[name]}: give another --workdir"
        )
    file.write_text(json.dumps(own))
    return read_rows(folder / "archive.jsonl")


def keep(file: Path, row: Row) -> Row:
    """Adds a line to a file."""
    with file.open("a") as lines:
        lines.write(json.dumps(row) + "\n")
    return row


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = Settings()
    parser.add_argument("--workdir", required=True, help="where the archive lies")
    parser.add_argument("--config", default=usual.config)
    add_changes(parser, "of the config, such as epochs=4")
    for name in ("population", "generations", "clusters", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(usual, name))
    parser.add_argument("--deviation", type=float, default=usual.deviation)
    parser.add_argument("--seeds", type=int, default=2, help="that judge what is found")
    return parser.parse_args(arguments)


def main(say: Callable[[str], None] = print) -> None:
    args, folder = parse(), Path(parse().workdir)
    own = {k: v for k, v in vars(args).items() if k in Settings._fields}
    settings = Settings(**{**own, "changes": tuple(args.changes)})
    archive = opened(folder, settings)
    platforms.keep_memory()
    judge = Judge(load_config(settings.config, settings.changes), settings.clusters)
    done, rows = len(archive), []
    for i, row in enumerate(search(settings, judge.size(), archive, judge.trained)):
        rows.append(row if i < done else keep(folder / "archive.jsonl", row))
        shown = {k: v for k, v in row.items() if k != "weights"}
        say(json.dumps(shown) if i >= done else f"member {i} is known")
    best = max(rows, key=lambda row: row["fitness"])
    judged = []
    for row in final(judge, best["weights"], args.seeds):
        say(json.dumps(row))
        judged.append(row)
    (folder / "final.json").write_text(json.dumps(judged, indent=1) + "\n")
    say(table(rows, judged))


if __name__ == "__main__":
    main()
