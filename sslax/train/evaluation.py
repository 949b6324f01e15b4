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
from sslax.train import checkpoints
from sslax.train.embedding import compile_embed, embed_source, eval_images
from sslax.train.gallery import gallery
from sslax.train.loop import first_state
from sslax.train.report import write_report
from sslax.train.run import Run, build_run, open_source
from sslax.train.workdir import read_config
from sslax.train.writers import read_jsonl

__all__ = ["embed_run", "evaluate_run", "restore_run"]


def restore_run(workdir: str, step: int | None = None) -> tuple[Run, State]:
    """Opens a run from its folder.

    Args:
      workdir: the folder of a pretraining.
      step: which checkpoint; the newest by default.

    Returns:
      The run and the restored state.

    Raises:
      ValueError: if there is no run, or no such checkpoint.
    """
    run = build_run(read_config(workdir))
    manager = checkpoints.open_checkpoints(workdir, read_only=True)
    steps = sorted(manager.all_steps())
    if not steps or (step is not None and step not in steps):
        wanted = "a checkpoint" if step is None else f"step {step}"
        raise ValueError(f"workdir {workdir!r} has not {wanted}; it has {steps}")
    chosen = steps[-1] if step is None else step
    state = checkpoints.restore(manager, chosen, run.program.shapes)
    manager.close()
    return run, state


def evaluate_run(run: Run, state: State, workdir: str) -> dict[str, dict[str, float]]:
    """Evaluates a network in full; prints a table, writes evaluation.json and a report.

    Args:
      run: the run.
      state: its state.
      workdir: its folder.

    Returns:
      Numbers by name: "network", "random network", "raw pixels".

    Raises:
      ValueError: if the data have no labels.
    """
    config = run.config
    sources = [_labelled(run, split) for split in ("train", "test")]
    trained = _features(run, state, sources)
    results = {
        "network": _numbers(run, trained, positive_pair=_pair(run, state, sources[1])),
        "random network": _numbers(run, _features(run, first_state(run), sources)),
        "raw pixels": _numbers(run, _pixels(run, sources, trained)),
    }
    # On every process: where the state is split over them, all must compute.
    pictures = gallery(run, state, sources, trained)
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
    run, state = restore_run(workdir, step)
    if name is None:
        if split not in ("train", "test"):
            raise ValueError(
                f"split {split!r} of the run's own data: "
                f"{calls.nearest(split, ('train', 'test'))}"
            )
        source = open_source(run.config, split)
    else:
        source = data.source(name)
    (features, labels), *_ = _features(run, state, [source])
    if jax.process_index() == 0:
        with epath.Path(out).open("wb") as file:
            np.savez(file, features=features, labels=labels)
        print(f"{features.shape[0]} x {features.shape[1]} features: {out}")


def _labelled(run: Run, split: str) -> data.Source:
    """A split with labels, decoded once if the training data fit into memory."""
    config = run.config
    source = open_source(config, split)
    data.require_labels(source, "an evaluation")
    if not run.loader.memory:
        return source
    return data.in_memory(source, canvas=config["data"]["canvas"])


def _features(run: Run, state: State, sources: list) -> list:
    embed = compile_embed(
        run.program.method,
        run.program.evaluation_views,
        run.program.mesh,
        run.program.shapes,
    )
    return [_embed(run, embed, state, source) for source in sources]


def _embed(run: Run, embed, state: State, source: Any):
    return embed_source(
        embed,
        state,
        source,
        run.program.mesh,
        batch_size=run.config["evaluate"]["batch_size"],
        canvas=run.config["data"]["canvas"],
    )


def _pair(run: Run, state: State, source: Any):
    """Features of two random views of every test image, for alignment."""
    made = []
    for seed in (0, 1):
        embed = compile_embed(
            run.program.method,
            run.program.views,
            run.program.mesh,
            run.program.shapes,
            seed=seed,
        )
        made.append(_embed(run, embed, state, source)[0])
    return tuple(made)


def _pixels(run: Run, sources: list, trained: list) -> list:
    """Pixels in [0, 1] as the evaluation view cuts them, and labels."""
    e = run.config["evaluate"]
    view = run.program.plain_evaluation
    canvas = run.config["data"]["canvas"]
    images = [
        eval_images(view, source, batch_size=e["batch_size"], canvas=canvas)
        for source in sources
    ]
    return [(x, y) for x, (_, y) in zip(images, trained, strict=True)]


def _numbers(
    run: Run, features: list, *, positive_pair: tuple | None = None
) -> Mapping[str, float]:
    config = run.config
    return evaluate.evaluate_features(
        *features,
        classes=run.loader.source.num_classes,
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
