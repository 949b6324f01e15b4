"""What the tests compile is counted, of each process once."""

import jax
import numpy as np

from tests import compiled


def test_a_new_program_counts_and_a_known_one_does_not():
    x = np.arange(7.0)
    function = jax.jit(lambda x: x * 3.25 + 0.125)
    before = compiled.here()
    function(x).block_until_ready()
    after = compiled.here()
    assert after["programs"] - before["programs"] == 1
    assert after["seconds"] > before["seconds"]
    function(x).block_until_ready()
    assert compiled.here() == after


def test_the_last_line_adds_up_all_processes(monkeypatch):
    monkeypatch.setattr(compiled, "_here", {"programs": 1, "seconds": 0.4, "found": 0})
    monkeypatch.setattr(compiled, "_workers", [])
    compiled.add({"programs": 2, "seconds": 1.2, "found": 1})
    compiled.add({"programs": 3, "seconds": 0.5, "found": 1})
    assert compiled.line() == "compiled: programs=6 seconds=2 found_in_the_cache=2"
