"""Networks that compute in bfloat16 learn what those in float32 learn."""

import json
import sys

import numpy as np
import pytest

from tests.fresh import ROOT, as_users, done

SEEDS, STEPS = 3, 234


def readings(name, dtype, folder):
    """kNN and linear accuracy by seed, percent, as a user's process has them."""
    file = folder / f"{name}_{dtype}.json"
    words = ["--methods", name, "--steps", STEPS, "--seeds", SEEDS]
    words += ["--set", f"dtype={dtype}", "--results", file, "--shared"]
    command = [sys.executable, "-m", "experiments.learning", *words]
    done(command, cwd=ROOT, env=as_users())
    rows = [row for run in json.loads(file.read_text()) for row in run["rows"]]
    ours = [row for row in rows if row["row"] == "sslax"]
    return np.array([(row["knn"], row["linear"]) for row in ours])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simclr", "mae"])
def test_half_precision_reads_as_single_within_the_spread_of_seeds(name, tmp_path):
    """Means over seeds, which share their batches, views and first networks.

    The limit is two standard errors of a difference of means: by the seeds' own spread,
    but no less than by the number of test images, for three seeds tell little of it.
    """
    single, half = (
        readings(name, dtype, tmp_path) for dtype in ("float32", "bfloat16")
    )
    print(name, "float32", single.tolist(), "bfloat16", half.tolist())
    assert single.shape == half.shape == (SEEDS, 2)
    spread = np.maximum(single.std(axis=0, ddof=1), half.std(axis=0, ddof=1))
    limit = 2 * np.sqrt(2 / SEEDS) * np.maximum(spread, 0.5)
    assert (abs(single.mean(axis=0) - half.mean(axis=0)) < limit).all()
