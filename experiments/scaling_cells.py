"""Cells of the study of data scaling: what each is called, trains and comes to."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from sslax import calls, data, evaluate
from sslax.commands.overrides import load_config
from sslax.train.loop import pretrain
from sslax.train.outputs import losses_of, outputs_of
from sslax.train.run import open_source
from sslax.train.samples import spaced

PATCH = 4
# How a method is pretrained and fine-tuned, and what divides the side of its views.
RECIPES = {
    "mae": ("configs/mae.py:sample", "configs/finetune.py:mae", PATCH),
    "simmim": ("configs/simmim.py:sample", "configs/finetune.py:simmim_vit", 8),
}
# Beside the sizes that the library has a name for.
SIZES = {
    "atto": dict(width=48, depth=4, heads=3),
    "femto": dict(width=96, depth=4, heads=3),
    "pico": dict(width=96, depth=8, heads=3),
    "nano": dict(width=144, depth=8, heads=3),
}
NAMED = ("tiny", "small", "base", "large", "huge")
STATISTICS = {"fashion_mnist_sample": "fashion_mnist", "fashion_mnist": "fashion_mnist"}
# Images whose loss is read, of the cell's own and of those held out.
JUDGED = 2048


class Cell(NamedTuple):
    data: str
    method: str
    size: str
    fraction: float
    steps: int
    seed: int

    @property
    def name(self) -> str:
        plain = re.sub(r"\W+", "-", self.data)
        end = f"{self.fraction:g}_{self.steps}_{self.seed}"
        return f"{plain}_{self.method}_{self.size}_{end}"


class Settings(NamedTuple):
    """What all cells of a study share."""

    batch_size: int = 128
    per_call: int = 1
    tune_steps: int = 1000
    tune_rate: float = 1e-3
    labels: float = 1.0


def train_of(name: str) -> dict[str, Any]:
    """The call of a training set: a short form, or `synthetic:SIDE:LENGTH`."""
    match = re.fullmatch(r"synthetic(?::(\d+))?(?::(\d+))?", name)
    if match is None:
        return data.parse(name if re.search("[/:]", name) else f"{name}/train")
    size, length = int(match[1] or 32), int(match[2] or 4096)
    return dict(name="synthetic", split="train", size=size, length=length)


def pretraining(cell: Cell, settings: Settings) -> dict[str, Any]:
    """The config of a cell: the method's sample recipe with another net, longer."""
    train = train_of(cell.data)
    config = _lengthened(RECIPES[cell.method][0], cell.steps, settings)
    source = _given(config, cell, train, cell.fraction)
    image = source.fields["image"].shape
    unit = RECIPES[cell.method][2]
    side = -(-max(image[:2]) // unit) * unit
    for views in (config["views"], config["evaluate"]["views"]):
        views["view"]["size"] = side
    method = config["method"]
    method["decoder"] |= {"channels": image[2], "patch_size": PATCH}
    if cell.method == "simmim":  # its sample recipe has a Swin
        plain = load_config("configs/simmim.py:vit_base")
        method["encoder"] = {**plain["method"]["encoder"], "name": "vit"}
        method["encoder"] |= {"patch_size": PATCH, "drop_path": 0.0}
        tx = config["optimizer"]["optimizer"]
        tx["exclude"] = plain["optimizer"]["optimizer"]["exclude"]
    method["encoder"] |= _size(cell.size)
    return config


def fine_tuning(cell: Cell, settings: Settings, run: str) -> dict[str, Any]:
    """The published recipe, shortened, on views as large as those of pretraining.

    Crops are no smaller than in pretraining, and the rate is that of small nets.
    """
    before = pretraining(cell, settings)
    config = _lengthened(RECIPES[cell.method][1], settings.tune_steps, settings)
    source = _given(config, cell, train_of(cell.data), settings.labels)
    classes = source.num_classes
    view, seen = config["views"], before["views"]["view"]
    view |= {"classes": classes, "noise": before["normalize"] or (0.5, 0.25)}
    view["view"] |= {"size": seen["size"], "scale": seen["scale"]}
    config["evaluate"]["views"] = before["evaluate"]["views"]
    config["start"] = [run]
    method = config["method"]
    method["classes"] = classes
    method["encoder"] |= {"name": "vit", "patch_size": PATCH, **_size(cell.size)}
    layers = config["optimizer"]
    while "learning_rate" not in layers:
        layers = layers["optimizer"]
    layers["learning_rate"] = settings.tune_rate
    return config


def _lengthened(recipe: str, steps: int, settings: Settings) -> dict[str, Any]:
    """A recipe whose schedule has its form over so many steps, of whatever data."""
    epochs = load_config(recipe)["epochs"]
    often = max(1, steps // 20 // settings.per_call) * settings.per_call
    fields = {
        "steps_per_epoch": max(1, steps // epochs),
        "steps": steps,
        "batch_size": settings.batch_size,
        "steps_per_call": settings.per_call,
        "log_every": often,
        "checkpoint.every": 5 * often,
        "checkpoint.keep": 1,
        "evaluate.every": 0,
        "evaluate.final": False,
        "data.workers": 0,
    }
    return load_config(recipe, [(name, str(value)) for name, value in fields.items()])


def _given(
    config: dict[str, Any], cell: Cell, train: dict[str, Any], fraction: float
) -> data.Source:
    """Sets a share of the data, of one seed: small ones lie in larger ones."""
    source, test = calls.build(train, data.Source), data.test_of(train)
    if test is None:
        raise ValueError(f"{cell.data} has no test split, which is to be held out")
    share = dict(name="subset", of=train, fraction=fraction, seed=0)
    part = train if fraction == 1 else share
    config["data"] |= {"train": part, "test": test, "canvas": None}
    config["normalize"] = STATISTICS.get(train["name"])
    config["examples"] = round(fraction * len(source))  # as many as `subset` takes
    config["seed"] = cell.seed
    return source


def _size(name: str) -> dict[str, Any]:
    if name not in (*SIZES, *NAMED):
        known = {*SIZES, *NAMED}
        raise ValueError(f"no size {name!r}: {calls.nearest(name, known)}")
    return dict(SIZES[name]) if name in SIZES else {"size": name}


def measured(cell: Cell, settings: Settings, folder: Path) -> dict[str, Any]:
    """Trains and reads a cell, from where it was cut off.

    Both losses are read by the same function with the same crops and masks, which
    follow from the seed and the batch alone.
    """
    began = time.monotonic()
    runs = {part: str(folder / part) for part in ("pretrain", "tune")}
    run, state = pretrain(pretraining(cell, settings), runs["pretrain"])
    _whole(run, state)
    loss, losses = losses_of(run, "ssl"), {}
    for split in ("train", "test"):
        source = open_source(run.config, split)
        read = loss(state, source, rows=spaced(len(source), JUDGED))
        losses[split] = float(np.mean(read))
    sizes = jax.tree.map(np.size, state.params["encoder"])
    middle = time.monotonic()
    tuned, end = pretrain(fine_tuning(cell, settings, runs["pretrain"]), runs["tune"])
    _whole(tuned, end)
    split = outputs_of(tuned, ("logits",))(end, open_source(tuned.config, "test"))
    return {
        "images": run.config["examples"],
        "parameters": sum(jax.tree.leaves(sizes)),
        "train_loss": losses["train"],
        "held_out_loss": losses["test"],
        "accuracy": float(evaluate.accuracy(split.outputs["logits"], split.labels)),
        "seconds_pretrain": middle - began,
        "seconds_tune": time.monotonic() - middle,
    }


def _whole(run, state) -> None:
    if int(state.step) < run.config["steps"]:
        raise SystemExit("asked to stop: the same command goes on")
