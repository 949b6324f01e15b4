"""Every example in a docstring runs."""

import doctest
import importlib
import pkgutil

import pytest

import sslax

SKIPPED = {"sslax.__main__"}  # runs the program
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(sslax.__path__, "sslax.")
    if m.name not in SKIPPED
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
