"""Methods are followed in NumPy, in float64, so that slopes can be told from errors."""

import jax
import pytest


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield
