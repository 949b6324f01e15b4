"""Rates of fine-tuning are those that were best on held-out images."""

import json

import pytest

from experiments import finetune


def choose(folder, kind, percent, scores):
    for rates, score in zip(finetune.GRID, scores, strict=False):
        cell = finetune.folder_of(folder, "runs/mae", kind, percent, 0, rates)
        cell.mkdir(parents=True)
        (cell / "accuracy.json").write_text(json.dumps({"top_1": score}))


def test_the_best_over_all_shares_is_taken_for_each_kind(tmp_path):
    choose(tmp_path, "fine-tuned", 1, [10.0, 40.0, 35.0, 20.0])
    choose(tmp_path, "fine-tuned", 10, [60.0, 70.0, 80.0, 65.0])
    choose(tmp_path, "from scratch", 10, [80.0, 30.0, 20.0, 10.0])
    best = finetune.best(str(tmp_path), "elsewhere/mae", "fine-tuned")
    assert best == finetune.GRID[2]
    best = finetune.best(str(tmp_path), "elsewhere/mae", "from scratch")
    assert best == finetune.GRID[0]


def test_a_choice_that_was_stopped_is_none(tmp_path):
    choose(tmp_path, "fine-tuned", 10, [60.0, 70.0])
    with pytest.raises(ValueError, match="has 2 of 4 rates of mae, fine-tuned"):
        finetune.best(str(tmp_path), "runs/mae", "fine-tuned")


def test_without_a_choice_rates_are_those_of_the_demo():
    for kind, rates in finetune.RATES.items():
        assert finetune.best(None, "runs/mae", kind) == rates
