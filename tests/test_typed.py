"""The tests run with types checked, in functions of every kind."""

import inspect

import numpy as np
import pytest
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Array, Float, TypeCheckError

from sslax import losses, platforms
from tests import typed


def test_arguments_without_shapes_are_checked():
    with pytest.raises(BeartypeCallHintViolation):
        platforms.traced_for(1, platforms.target)
    assert platforms.traced_for("cpu", platforms.target)() == "cpu"
    # Annotations are as they were written.
    for function in (platforms.target, inspect.unwrap(platforms.target)):
        assert function.__annotations__ == {"return": "str"}


def test_axes_are_checked_against_each_other():
    a, b = np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32)
    with pytest.raises(TypeCheckError):
        losses.info_nce(a, b, temperature=0.1)


@pytest.mark.parametrize(
    ("hint", "shape"),
    [
        (Float[Array, "b d"], True),
        (tuple[int, dict[str, Float[Array, "b"]] | None], True),
        (Array, False),
        (dict[str, Array] | None, False),
    ],
)
def test_shapes_are_found_wherever_a_type_names_them(hint, shape):
    def function(x):
        return x

    function.__annotations__ = {"x": hint}
    assert typed._names_shapes(function) == shape
