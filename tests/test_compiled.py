"""What the tests compile is counted, of each process once."""

import jax
import numpy as np

from tests import compiled


def test_a_new_program_is_heard_of():
    x = np.arange(7.0)
    before = compiled.here()
    jax.jit(lambda x: x * 3.25 + 0.125)(x).block_until_ready()
    after = compiled.here()  # a thread of another test may compile meanwhile
    assert after["programs"] > before["programs"]
    assert after["seconds"] > before["seconds"]


def test_each_kind_of_news_counts_once(monkeypatch):
    monkeypatch.setattr(compiled, "_here", {"programs": 0, "seconds": 0.0, "found": 0})
    compiled._took(compiled.COMPILED, 0.5)
    compiled._took("/jax/core/compile/jaxpr_trace_duration", 9.0)
    compiled._happened(compiled.FOUND)
    compiled._happened("/jax/compilation_cache/cache_misses")
    assert compiled.here() == {"programs": 1, "seconds": 0.5, "found": 1}


def test_the_last_line_adds_up_all_processes(monkeypatch):
    monkeypatch.setattr(compiled, "_here", {"programs": 1, "seconds": 0.4, "found": 0})
    monkeypatch.setattr(compiled, "_workers", [])
    compiled.add({"programs": 2, "seconds": 1.2, "found": 1})
    compiled.add({"programs": 3, "seconds": 0.5, "found": 1})
    assert compiled.line() == "compiled: programs=6 seconds=2 found_in_the_cache=2"
