"""Evaluation: pure functions of frozen features.

Glossary of shapes: n training rows, m test rows, d feature, k neighbours. Percent
everywhere. Nothing here knows a method, a data set or a file; copies of large features
lie in `sslax.scratch`.
"""

from __future__ import annotations

from sslax.evaluate._attention import (
    attention_distance,
    attention_entropy,
    attention_information,
    head_divergence,
    patch_distances,
)
from sslax.evaluate._cka import linear_cka, rbf_cka
from sslax.evaluate._distances import frechet_distance, kernel_distance
from sslax.evaluate._duplicates import (
    Duplicates,
    near_duplicates,
    other_neighbours,
)
from sslax.evaluate._embedding_map import embedding_map
from sslax.evaluate._few_labels import few_label_probe, labelled_rows
from sslax.evaluate._health import collapse_warnings, health, rankme
from sslax.evaluate._knn import accuracy, knn, neighbours
from sslax.evaluate._label_free import alpha_req, lidar
from sslax.evaluate._linear_probe import linear_probe
from sslax.evaluate._logistic import choose_l2, logistic_regression
from sslax.evaluate._protocol import evaluate_features, format_results, result_table
from sslax.evaluate._retrieval import pair_recall, retrieval
from sslax.evaluate._segmentation import iou, segment_maps

__all__ = [
    "Duplicates",
    "accuracy",
    "alpha_req",
    "attention_distance",
    "attention_entropy",
    "attention_information",
    "choose_l2",
    "collapse_warnings",
    "embedding_map",
    "evaluate_features",
    "few_label_probe",
    "format_results",
    "frechet_distance",
    "head_divergence",
    "health",
    "iou",
    "kernel_distance",
    "knn",
    "labelled_rows",
    "lidar",
    "linear_cka",
    "linear_probe",
    "logistic_regression",
    "near_duplicates",
    "neighbours",
    "other_neighbours",
    "pair_recall",
    "patch_distances",
    "rankme",
    "rbf_cka",
    "result_table",
    "retrieval",
    "segment_maps",
]
