"""The full evaluation of a run, always beside raw pixels and the random network."""

from __future__ import annotations

import json
from collections.abc import Mapping

import jax
from absl import logging
from etils import epath

from sslax import data, evaluate
from sslax.core import State
from sslax.results.gallery import gallery
from sslax.results.report import write_report
from sslax.train import checkpoints
from sslax.train.best import best_step
from sslax.train.checks import open_splits, tasks_of
from sslax.train.loop import first_state
from sslax.train.online import best_number
from sslax.train.readings import Reading, ask, numbers_of, read_network, read_pixels
from sslax.train.run import Run, build_run
from sslax.train.together import from_first
from sslax.train.workdir import check_writable, read_config, stored_steps
from sslax.train.writers import read_jsonl

__all__ = ["evaluate_run", "restore_run"]


def restore_run(workdir: str, step: int | str | None = None) -> tuple[Run, State]:
    """Opens a run from its folder.

    Args:
      workdir: the folder of a pretraining.
      step: which checkpoint; the newest by default, or "best": that with the largest
        number of the first task of `evaluate.online`.

    Returns:
      The run and the restored state.

    Raises:
      ValueError: if there is no run, or no such checkpoint.
    """
    if (epath.Path(workdir) / "model.json").exists():
        raise ValueError(
            f"{workdir!r} holds converted weights and no run; they are read by sslax "
            "evaluate, embed, neighbours, search and export"
        )
    config = read_config(workdir)
    steps = stored_steps(epath.Path(workdir))
    if not steps:
        raise ValueError(
            f"workdir {workdir!r} has no checkpoint yet: its run has not come that far"
        )
    if step not in (None, "best", *steps):
        raise ValueError(
            f"workdir {workdir!r} has no checkpoint of step {step}; it has those of "
            f"{', '.join(map(str, sorted(steps)))}"
        )
    run = build_run(config, workdir, trains=False)
    manager = checkpoints.open_checkpoints(workdir, read_only=True)
    chosen = steps[0] if step is None else step
    chosen = _best(run, manager, workdir) if chosen == "best" else int(chosen)
    state = checkpoints.restore(manager, chosen, run.program.shapes)
    manager.close()
    return run, state


def _best(run: Run, manager, workdir: str) -> int:
    best = best_number(run.config)
    step = best_step(manager, best) if best else None
    if step is None:
        why = (
            f"no checkpoint has the number {best!r}"
            if best
            else "nothing was evaluated during training (evaluate.every, .online)"
        )
        raise ValueError(
            f"workdir {workdir!r} has no best checkpoint: {why}; give a step, one of "
            f"{sorted(manager.all_steps())}"
        )
    logging.info("step %d is the best by %s", step, best)
    return step


def evaluate_run(run: Run, state: State, workdir: str) -> dict[str, dict[str, float]]:
    """Evaluates a network in full; prints a table, writes evaluation.json and a report.

    Numbers are written before any picture is drawn, and a picture that fails is told
    and left out.

    Args:
      run: the run.
      state: its state.
      workdir: its folder.

    Returns:
      Numbers by name: "network", "random network", "raw pixels".

    Raises:
      ValueError: if a task is wrong, or needs what the method or the data have not, or
        if the folder cannot be written.
    """
    from_first(lambda: check_writable(workdir, otherwise="evaluate a copy of it"))
    sources, notes = open_splits(run)
    if run.loader.memory:
        canvas = run.config["data"]["canvas"]
        sources = {k: data.in_memory(s, canvas=canvas) for k, s in sources.items()}
    asked = ask(run, tasks_of(run.config), sources)
    network = read_network(asked, state, "network")
    first = first_state(run)
    made = {
        "network": network,
        "random network": read_network(
            asked, first, "random network", pairs=False, sample=True
        ),
        "raw pixels": read_pixels(asked, state),
    }
    results = {name: numbers_of(one.found) for name, one in made.items()}
    sampled = _sampled(made, results)
    said = [note for task in network.found.values() for note in task.notes]
    notes = list(dict.fromkeys([*notes, *asked.notes, *said, *sampled]))
    warnings = _warnings(run, results)
    step, folder = int(state.step), epath.Path(workdir)
    if jax.process_index() == 0:
        print(evaluate.format_results(results))
        for line in notes:
            print(f"note: {line}")
        for line in warnings:
            print(f"warning: {line}")
        written = {"step": step, "results": results, "notes": notes}
        text = json.dumps(written, indent=2) + "\n"
        (folder / "evaluation.json").write_text(text)
    # On every process: where the state is split over them, all must compute.
    shown = gallery(run, state, sources, network.splits, network.found)
    if jax.process_index() == 0:
        write_report(
            folder / "report.html",
            title=f"{run.config['method']['name'].rpartition(':')[2]}, step {step}",
            config_text=json.dumps(run.config, indent=2),
            history=read_jsonl(folder / "metrics.jsonl"),
            results=results,
            notes=[*notes, *shown.failures],
            warnings=warnings,
            pictures=shown.pictures,
            embedding=shown.embedding,
        )
        print(f"report: {folder / 'report.html'}")
    return results


def _sampled(
    made: Mapping[str, Reading], results: Mapping[str, dict[str, float]]
) -> list[str]:
    """Says which rows are of fewer images than the network's, in the table as well."""
    whole, said = made["network"].images, []
    for name, one in made.items():
        fewer: dict[str, int] = {}
        for (task, split), count in one.images.items():
            if count < whole.get((task, split), 0):
                fewer[split] = max(count, fewer.get(split, 0))
        listed = fewer.items()
        said += [f"{name}: a sample of {n:,} images of {split}" for split, n in listed]
    if said:
        for name, one in made.items():
            trained = [n for (_, split), n in one.images.items() if split == "train"]
            read = trained or list(one.images.values())
            results[name]["images"] = float(max(read, default=0))
    return said


def _warnings(run: Run, results: Mapping[str, Mapping[str, float]]) -> list[str]:
    network, random = results["network"], results["random network"]
    if "rankme" not in network:
        return []
    return evaluate.collapse_warnings(network, untrained=random, parts=_parts(run))


def _parts(run: Run) -> set[str]:
    """What a method has, as far as advice is concerned."""
    shapes = run.program.shapes
    seen = jax.eval_shape(run.program.views, jax.random.key(0), run.loader.shapes)
    parts = {*shapes.params, *shapes.extra} | ({"mask"} & set(seen))
    return parts | ({"pairs"} if len(seen["views"]) > 1 else set())
