"""The full evaluation of a run, always beside raw pixels and the random network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from sslax import calls, data, evaluate
from sslax.core import State
from sslax.kinds import Builder
from sslax.train import checkpoints
from sslax.train.embedding import compile_embed, embed_source, eval_images
from sslax.train.experiment import Experiment, build_experiment, open_source
from sslax.train.gallery import gallery, without_normalize
from sslax.train.loop import first_state
from sslax.train.report import write_report
from sslax.train.workdir import read_config
from sslax.train.writers import read_jsonl

__all__ = ["embed_run", "evaluate_run", "restore_run"]


def restore_run(workdir: str, step: int | None = None) -> tuple[Experiment, State]:
    """Opens a run from its folder.

    Args:
      workdir: the folder of a pretraining.
      step: which checkpoint; the newest by default.

    Returns:
      The experiment and the restored state.

    Raises:
      ValueError: if there is no run, or no such checkpoint.
    """
    experiment = build_experiment(read_config(workdir))
    manager = checkpoints.open_checkpoints(workdir, read_only=True)
    steps = sorted(manager.all_steps())
    if not steps or (step is not None and step not in steps):
        wanted = "a checkpoint" if step is None else f"step {step}"
        raise ValueError(f"workdir {workdir!r} has not {wanted}; it has {steps}")
    chosen = steps[-1] if step is None else step
    state = checkpoints.restore(manager, chosen, experiment.shapes)
    manager.close()
    return experiment, state


def evaluate_run(
    experiment: Experiment, state: State, workdir: str
) -> dict[str, dict[str, float]]:
    """Evaluates a network in full; prints a table, writes evaluation.json and a report.

    Args:
      experiment: the run.
      state: its state.
      workdir: its folder.

    Returns:
      Numbers by name: "network", "random network", "raw pixels".

    Raises:
      ValueError: if the data have no labels.
    """
    config = experiment.config
    sources = [_labelled(experiment, split) for split in ("train", "test")]
    trained = _features(experiment, state, sources)
    results = {
        "network": _numbers(
            experiment, trained, positive_pair=_pair(experiment, state, sources[1])
        ),
        "random network": _numbers(
            experiment, _features(experiment, first_state(experiment), sources)
        ),
        "raw pixels": _numbers(experiment, _pixels(experiment, sources, trained)),
    }
    # On every process: where the state is split over them, all must compute.
    pictures = gallery(experiment, state, sources, trained)
    if jax.process_index() != 0:
        return results
    folder = epath.Path(workdir)
    print(evaluate.format_results(results))
    for warning in evaluate.collapse_warnings(results["network"]):
        print(f"warning: {warning}")
    step = int(state.step)
    (folder / "evaluation.json").write_text(
        json.dumps({"step": step, "results": results}, indent=2) + "\n"
    )
    write_report(
        folder / "report.html",
        title=f"{config['method']['name']}, step {step}",
        config_text=json.dumps(config, indent=2),
        history=read_jsonl(folder / "metrics.jsonl"),
        results=results,
        **pictures,
    )
    print(f"report: {folder / 'report.html'}")
    return results


def embed_run(
    workdir: str,
    out: str,
    *,
    step: int | None = None,
    name: str | None = None,
    split: str = "test",
) -> None:
    """Writes the features of a data set to an npz file: `features`, `labels`.

    Args:
      workdir: the folder of a run.
      out: the file.
      step: which checkpoint; the newest by default.
      name: data by their short form, see `sslax.data.parse`; the run's own by default.
      split: "train" or "test" of the run's own data.

    Raises:
      ValueError: if there is no such run, checkpoint, data set or split.
    """
    experiment, state = restore_run(workdir, step)
    if name is None:
        if split not in ("train", "test"):
            raise ValueError(
                f"split {split!r} of the run's own data: "
                f"{calls.nearest(split, ('train', 'test'))}"
            )
        source = open_source(experiment.config, split)
    else:
        source = data.source(name)
    (features, labels), *_ = _features(experiment, state, [source])
    if jax.process_index() == 0:
        with epath.Path(out).open("wb") as file:
            np.savez(file, features=features, labels=labels)
        print(f"{features.shape[0]} x {features.shape[1]} features: {out}")


def _labelled(experiment: Experiment, split: str) -> data.Source:
    """A split with labels, decoded once if the training data fit into memory."""
    config = experiment.config
    source = open_source(config, split)
    data.require_labels(source, "an evaluation")
    if not experiment.loader.memory:
        return source
    return data.in_memory(source, canvas=config["data"]["canvas"])


def _features(experiment: Experiment, state: State, sources: list) -> list:
    config = experiment.config
    embed = compile_embed(
        experiment.method,
        calls.build(config["evaluate"]["view"], Builder),
        experiment.mesh,
        experiment.layout,
    )
    return [_embed(experiment, embed, state, source) for source in sources]


def _embed(experiment: Experiment, embed, state: State, source: Any):
    return embed_source(
        embed,
        state,
        source,
        experiment.mesh,
        batch_size=experiment.config["evaluate"]["batch_size"],
        canvas=experiment.config["data"]["canvas"],
    )


def _pair(experiment: Experiment, state: State, source: Any):
    """Features of two random views of every test image, for alignment."""
    made = []
    for seed in (0, 1):
        embed = compile_embed(
            experiment.method,
            experiment.views,
            experiment.mesh,
            experiment.layout,
            seed=seed,
        )
        made.append(_embed(experiment, embed, state, source)[0])
    return tuple(made)


def _pixels(experiment: Experiment, sources: list, trained: list) -> list:
    """Pixels in [0, 1] as the evaluation view cuts them, and labels."""
    e = experiment.config["evaluate"]
    view = calls.build(without_normalize(e["view"]), Builder)
    canvas = experiment.config["data"]["canvas"]
    images = [
        eval_images(view, source, batch_size=e["batch_size"], canvas=canvas)
        for source in sources
    ]
    return [(x, y) for x, (_, y) in zip(images, trained, strict=True)]


def _numbers(
    experiment: Experiment, features: list, *, positive_pair: tuple | None = None
) -> Mapping[str, float]:
    config = experiment.config
    return evaluate.evaluate_features(
        *features,
        classes=experiment.loader.source.num_classes,
        key=jax.random.key(config["seed"]),
        probe=_recipe(config["evaluate"]["probe"], len(features[0][1])),
        positive_pair=positive_pair,
        **config["evaluate"]["knn"],
    )


def _recipe(probe: Mapping[str, Any] | None, examples: int) -> dict[str, Any] | None:
    """The arguments of the SGD probe, with a batch that the set can fill."""
    if probe is None or probe.get("batch_size", 1) <= examples:
        return None if probe is None else dict(probe)
    if jax.process_index() == 0:
        print(f"the SGD probe takes all {examples} images a batch; asked: {probe}")
    return {**probe, "batch_size": examples}
