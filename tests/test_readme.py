"""The method that the README shows is a method."""

import re
from pathlib import Path

import jax
import optax

from sslax import models, step
from tests import toys

ROOT = Path(__file__).parent.parent


def test_the_method_of_the_readme_trains():
    text = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "A method in 15 lines" in text
    assert sum(bool(line) for line in code.splitlines()) <= 15
    names: dict = {}
    exec(code, names)
    method = names["simclr"](models.convnet(widths=(4, 8)), dim=4)
    views = toys.TOYS["simclr"]().views
    tx = {"ssl": optax.sgd(0.1)}
    state = jax.eval_shape(
        lambda b: step.init_state(method, tx, views, b, jax.random.key(0)),
        toys.batch(),
    )
    _, metrics = jax.eval_shape(
        lambda s, b: step.train_step(method, tx, views, s, b, jax.random.key(0)),
        state,
        toys.batch(),
    )
    assert metrics["ssl/loss"].shape == ()
    assert set(state.params) == {"encoder", "projector"}


def test_paths_in_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    paths = re.findall(r"`((?:configs|sslax|docs|experiments)/[\w./-]+)", text)
    paths += re.findall(r"\]\(([\w./-]+)\)", text)
    assert len(paths) > 8
    for path in paths:
        assert (ROOT / path).exists(), path
