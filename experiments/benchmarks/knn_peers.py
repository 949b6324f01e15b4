"""Exact search, ours and faiss's, each in a process of its own; see `knn`."""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np

from experiments.benchmarks.peers import serve

_MADE: dict[tuple, Any] = {}


def features(rows: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, width), np.float32)


def made(question: dict) -> tuple[np.ndarray, np.ndarray]:
    """The bank and the queries, drawn once."""
    sizes = tuple(question[name] for name in ("rows", "queries", "width"))
    if sizes not in _MADE:
        rows, queries, width = sizes
        _MADE[sizes] = features(rows, width, 0), features(queries, width, 1)
    return _MADE[sizes]


def sslax(bank: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    from sslax import evaluate

    return np.asarray(evaluate.neighbours(bank, queries, k=k)[1])


def faiss(bank: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Cosines: normalised copies, as ours makes."""
    import faiss as library

    bank, queries = bank.copy(), queries.copy()
    library.normalize_L2(bank)
    library.normalize_L2(queries)
    index = library.IndexFlatIP(bank.shape[1])
    index.add(bank)
    return index.search(queries, k)[1]


def answer(question: dict) -> dict[str, Any]:
    """Seconds of CPU and peak memory of one search, and what it found."""
    bank, queries = made(question)
    held = peak()
    start = time.process_time()
    found = {"sslax": sslax, "faiss": faiss}[question["side"]](
        bank, queries, question["k"]
    )
    seconds = time.process_time() - start
    return {"seconds": seconds, "gib": peak(), "given": held, "rows": found.tolist()}


def peak() -> float:
    """GiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    serve(answer)
