"""Tasks that have images altered before they are seen."""

import jax
import numpy as np

from sslax import data
from sslax.results import evaluation
from sslax.train import checks
from sslax.train.loop import first_state
from sslax.train.outputs import outputs_of
from sslax.train.run import build_run, open_source
from tests.results.test_evaluation import small


def test_tasks_read_features_of_what_they_alter(tmp_path):
    """Images are altered on their canvas, before they are seen; pixels alike."""
    config, drawn = small(), dict(name="habitats", size=16)
    config["data"]["train"] = dict(drawn, length=64)
    config["data"]["test"] = dict(drawn, split="test", length=40)
    config["evaluate"]["tasks"] = [dict(name="background_gap", k=3)]
    made = build_run(config)
    assert checks.check_evaluation(made) == []
    results = evaluation.evaluate_run(made, first_state(made), str(tmp_path))
    kinds = {"original", "mixed_same", "mixed_rand", "only_background"}
    for numbers in results.values():
        assert set(numbers) == {*kinds, "background_gap"}
    tasks = checks.tasks_of(made.config)
    altering = tasks["background_gap"].alters
    source, rows = open_source(made.config, "test"), np.arange(6)
    names = ("features", "pixels", "mixed_rand/features", "mixed_rand/pixels")
    read = outputs_of(made, names, alters=altering)
    seen = read(first_state(made), source, rows=rows).outputs
    batch = jax.device_put(next(iter(data.batches(source, 6))))
    behind = altering["mixed_rand"](jax.random.key(0), batch)["image"]
    plain = made.program.plain_evaluation(jax.random.key(0), {"image": behind})
    # Of eight classes in a row the next image is of another; the last has its next
    # one in a larger batch.
    pixels = seen["mixed_rand/pixels"][:-1]
    np.testing.assert_allclose(pixels, plain["views"][0][:-1], atol=1e-5)
    assert np.abs(seen["mixed_rand/features"] - seen["features"]).max() > 1e-3
