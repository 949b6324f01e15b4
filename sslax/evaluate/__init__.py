"""Evaluation: pure functions of frozen features.

Glossary of shapes: n training rows, m test rows, d feature, k neighbours. Percent
everywhere. Nothing here knows a method, a data set or a file.
"""

from __future__ import annotations

from sslax.evaluate._few_labels import few_label_probe, labelled_rows
from sslax.evaluate._health import collapse_warnings, health, rankme
from sslax.evaluate._knn import accuracy, knn, neighbours
from sslax.evaluate._logistic import choose_l2, logistic_regression

__all__ = [
    "accuracy",
    "choose_l2",
    "collapse_warnings",
    "few_label_probe",
    "health",
    "knn",
    "labelled_rows",
    "logistic_regression",
    "neighbours",
    "rankme",
]
