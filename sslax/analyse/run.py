"""The analysis of several runs: numbers, and a page of curves and heat maps."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from sslax import data, evaluate
from sslax.analyse.layers import MEASURES, Layers, read_layers
from sslax.analyse.models import open_transformers
from sslax.analyse.page import write_page
from sslax.train.run import open_source
from sslax.train.workdir import read_config

__all__ = ["analyse_runs"]

# Side of the square that images are put on where they differ in size.
_CANVAS = 256


def analyse_runs(
    runs: Sequence[str],
    out: str,
    *,
    source: str | None = None,
    images: int = 1000,
    batch_size: int = 50,
    size: int | None = None,
    normalize: str = "imagenet",
) -> dict[str, Any]:
    """Compares transformers layer by layer; writes a page and its numbers.

    Attention distance, entropy, divergence of heads and information of each layer and
    head; linear CKA between all layers of all models, of features that are the mean
    over patches; and where the data have labels, a linear probe of each layer.

    Args:
      runs: see `open_transformers`.
      out: the page, whose name ends in .html; numbers go beside it as .json.
      source: training data by their short form; the first run's own by default. Test
        data are those that belong to them.
      images: how many images are read of each split, evenly spread over it.
      batch_size: images at a time.
      size: see `open_transformers`.
      normalize: see `open_transformers`.

    Returns:
      The numbers, as they were written.

    Raises:
      ValueError: if a run cannot be read, there are no data, or the page is no .html.
    """
    path = Path(out)
    if path.suffix != ".html":
        raise ValueError(f"out is {out!r}; expected a name that ends in .html")
    opened = open_transformers(runs, size=size, normalize=normalize)
    splits = _splits(runs[0], source)
    found: dict[str, Layers] = {}
    numbers: dict[str, Any] = {"data": splits["test"].name, "runs": {}}
    for model in opened:
        parts = {
            split: _read(model, own, images, batch_size)
            for split, own in splits.items()
        }
        layers = parts["test"][0]
        found[model.name] = layers
        numbers["runs"][model.name] = _numbers(layers) | _probes(parts)
    numbers["images"] = len(next(iter(found.values())).features[0])
    numbers["cka"] = {
        f"{a} | {b}": [
            [float(evaluate.linear_cka(x, y)) for y in found[b].features]
            for x in found[a].features
        ]
        for a, b in itertools.combinations_with_replacement(found, 2)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(numbers, indent=1) + "\n")
    write_page(path, numbers)
    return numbers


def _splits(run: str, source: str | None) -> dict[str, data.Source]:
    """The training and the test images."""
    if source is not None:
        test = data.test_of(source)
        if not test:
            raise ValueError(f"{source!r} has no test split; give one that has")
        return {"train": data.source(source), "test": data.source(test)}
    folder = run.partition(":")[0]
    if (Path(folder) / "model.json").exists():
        raise ValueError(f"{folder!r} has no data of its own; give --data")
    config = read_config(folder)
    return {split: open_source(config, split) for split in ("train", "test")}


def _read(model, source: data.Source, images: int, batch_size: int):
    """Layers, and the labels of the images or None."""
    count = min(images, len(source))
    rows = np.linspace(0, len(source) - 1, count // batch_size * batch_size or count)
    rows = rows.astype(int).tolist()
    size = min(batch_size, len(rows))
    differ = any(None in source.fields[name].shape for name in source.pictures)
    batches = list(
        data.batches(source, size, rows=rows, canvas=_CANVAS if differ else None)
    )
    labels = [batch["label"] for batch in batches if "label" in batch]
    layers = read_layers(model, batches)
    return layers, np.concatenate(labels) if labels else None


def _numbers(layers: Layers) -> dict[str, Any]:
    measures = {
        name: [heads.tolist() for heads in layers.measures[name]] for name in MEASURES
    }
    even = {"distance of even attention": layers.even}
    return {**measures, "divergence": layers.divergence.tolist(), **even}


def _probes(parts) -> dict[str, list[float]]:
    """A linear classifier of each layer, percent."""
    (train, labels), (test, wanted) = parts["train"], parts["test"]
    if labels is None or wanted is None:
        return {}
    classes = int(max(labels.max(), wanted.max())) + 1
    accuracies = []
    for x, y in zip(train.features, test.features, strict=True):
        l2 = evaluate.choose_l2(x, labels, classes=classes, key=jax.random.key(0))
        logits = evaluate.logistic_regression(x, labels, y, classes=classes, l2=l2)
        accuracies.append(float(evaluate.accuracy(logits, wanted)))
    return {"linear": accuracies}
