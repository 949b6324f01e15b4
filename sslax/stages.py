"""Runs that follow each other: pretrain, fine-tune, distil; each in its own folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from absl import logging
from etils import epath

from sslax.results.evaluation import evaluate_run
from sslax.train import checkpoints
from sslax.train.loop import pretrain
from sslax.train.start import grafts_of
from sslax.train.stored import stored
from sslax.train.workdir import open_workdir

__all__ = ["run_stages", "run_to_the_end"]


def _silent(text: str) -> None:
    del text


def run_stages(
    stages: Mapping[str, Mapping[str, Any]],
    workdir: str,
    *,
    allow_config_change: bool = False,
    say: Callable[[str], None] = _silent,
) -> bool:
    """Runs stages in order, each in `workdir/STAGE`; goes on where it was cut off.

    A stage that is complete is skipped, one that has begun is resumed. A stage may
    start from an earlier one by its name: `config.start = ("pretrain",)`. All names are
    checked before the first stage begins.

    Args:
      stages: resolved configs by name.
      workdir: the folder of all.
      allow_config_change: go on in folders of other configs.
      say: is told what a stop would leave behind, when that changes.

    Returns:
      Whether all stages are complete; False if the run was asked to stop.

    Raises:
      ValueError: if a stage starts from what does not exist, or as in `pretrain`.
    """
    folders = {name: str(epath.Path(workdir) / name) for name in stages}
    earlier: dict[str, str] = {}
    for name, config in stages.items():
        _check_start(name, config, earlier, stages)
        earlier[name] = folders[name]
    for name, config in stages.items():
        if _is_complete(config, folders[name], allow_config_change):
            logging.info("stage %s is complete in %s", name, folders[name])
            continue
        logging.info("stage %s", name)
        finished = run_to_the_end(
            config,
            folders[name],
            allow_config_change=allow_config_change,
            runs=folders,
            say=say,
        )
        if not finished:
            return False
    return True


def run_to_the_end(
    config: Mapping[str, Any],
    workdir: str,
    *,
    allow_config_change: bool = False,
    runs: Mapping[str, str] | None = None,
    say: Callable[[str], None] = _silent,
) -> bool:
    """Trains one run and, if it was not asked to stop, evaluates it.

    Args:
      config: the resolved config.
      workdir: its folder.
      allow_config_change: go on in a folder of another config.
      runs: folders by the names that `config.start` may have for them.
      say: is told what a stop would leave behind, when that changes.

    Returns:
      Whether it is complete.

    Raises:
      ValueError: as in `pretrain`.
    """
    logging.info("%s in %s", config["method"]["name"], workdir)
    run, state = pretrain(
        config, workdir, allow_config_change=allow_config_change, runs=runs
    )
    finished = int(state.step) == config["steps"]
    if finished and config["evaluate"]["final"]:
        say(
            "training is complete and saved; sslax evaluate --workdir="
            f"{workdir} evaluates it"
        )
        evaluate_run(run, state, workdir)
    return finished


def _is_complete(config, folder: str, allow_config_change: bool) -> bool:
    """Trained to the end and evaluated, under this config."""
    path = epath.Path(folder)
    if not (path / "checkpoints").exists():
        return False
    open_workdir(folder, config, allow_config_change=allow_config_change)
    manager = checkpoints.open_checkpoints(folder, read_only=True)
    try:
        step = checkpoints.latest_step(manager)
    finally:
        manager.close()
    if step is None or step < config["steps"]:
        return False
    return not config["evaluate"]["final"] or _is_evaluated(path / "evaluation.json")


def _is_evaluated(file) -> bool:
    try:
        return bool(json.loads(file.read_text()))
    except (OSError, json.JSONDecodeError):
        return False


def _check_start(name: str, config, earlier: Mapping[str, str], stages) -> None:
    for one in grafts_of(config):
        if one.run in earlier:
            continue
        if one.run in stages:
            raise ValueError(
                f"stage {name!r} starts from stage {one.run!r}, which comes later"
                if one.run != name
                else f"stage {name!r} starts from itself"
            )
        try:
            stored(one.run)
        except ValueError as error:
            known = f"; earlier stages are {list(earlier)}" if earlier else ""
            raise ValueError(f"stage {name!r}: {error}{known}") from error
