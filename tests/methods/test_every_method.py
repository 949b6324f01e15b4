"""Every method is followed by NumPy, in a file of its name."""

from pathlib import Path

import pytest

from sslax import methods


@pytest.mark.parametrize("name", methods.__all__)
def test_a_method_has_a_test_of_its_name(name):
    path = Path(__file__).parent / f"test_{name}.py"
    assert path.exists(), f"{name} needs tests/methods/{path.name}, see docs"
    text = path.read_text()
    assert "follow(" in text, f"{path.name} does not hold {name} to NumPy's loss"
    assert f"methods.{name}(" in text
