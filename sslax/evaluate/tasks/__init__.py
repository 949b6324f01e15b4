"""Evaluations that a config names: functions that return a `Task`.

A task says which outputs of a method it needs, gets them computed once for each split,
and returns numbers, notes and pictures. Baselines are the same task on other outputs.
"""

from __future__ import annotations

from sslax.evaluate.tasks._attend import attend
from sslax.evaluate.tasks._background_gap import background_gap
from sslax.evaluate.tasks._classify import classify, knn, linear
from sslax.evaluate.tasks._correspond import correspond
from sslax.evaluate.tasks._episodes import episodes
from sslax.evaluate.tasks._held_out import held_out
from sslax.evaluate.tasks._label_free import alpha_req, lidar, rankme
from sslax.evaluate.tasks._retrieve import retrieve
from sslax.evaluate.tasks._segment import segment
from sslax.evaluate.tasks._task import EPISODES, Pictures, Results, Split, Task
from sslax.evaluate.tasks._top_k import top_k
from sslax.evaluate.tasks._zero_shot import class_features, zero_shot

__all__ = [
    "EPISODES",
    "Pictures",
    "Results",
    "Split",
    "Task",
    "alpha_req",
    "attend",
    "background_gap",
    "class_features",
    "classify",
    "correspond",
    "episodes",
    "held_out",
    "knn",
    "lidar",
    "linear",
    "rankme",
    "retrieve",
    "segment",
    "top_k",
    "zero_shot",
]
