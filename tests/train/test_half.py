"""Networks that compute in bfloat16 learn what those in float32 learn."""

import numpy as np
import pytest

from experiments import learning
from sslax import data
from sslax.train.run import build_run

SEEDS = (0, 1, 2)
STEPS = 234


def readings(name, dtype, seed):
    """kNN and linear accuracy after so many steps, percent."""
    changes = [("dtype", dtype)]
    plain = learning.config_of(name, "", held_out=False, seed=seed, changes=changes)
    changes.append(learning.epochs_of(plain, STEPS))
    config = learning.config_of(name, "", held_out=False, seed=seed, changes=changes)
    run = build_run(config)
    sources = learning.sources_of(config)
    state, _ = learning.train(run)
    features = learning.reader(run, sources)(state)
    labels = [data.read_labels(source) for source in sources]
    found = learning.numbers(features, labels, seed)
    return found["knn"], found["linear"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simclr", "mae"])
def test_half_precision_reads_as_single_within_the_spread_of_seeds(name):
    """Means over seeds, which share their batches, views and first networks.

    The limit is two standard errors of a difference of means: by the seeds' own spread,
    but no less than by the number of test images, for three seeds tell little of it.
    """
    single, half = (
        np.array([readings(name, dtype, seed) for seed in SEEDS])
        for dtype in ("float32", "bfloat16")
    )
    print(name, "float32", single.tolist(), "bfloat16", half.tolist())
    spread = np.maximum(single.std(axis=0, ddof=1), half.std(axis=0, ddof=1))
    limit = 2 * np.sqrt(2 / len(SEEDS)) * np.maximum(spread, 0.5)
    assert (abs(single.mean(axis=0) - half.mean(axis=0)) < limit).all()
