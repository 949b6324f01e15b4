"""The benchmarks' talk with a process that has other packages."""

import sys
from pathlib import Path

import pytest

from experiments.benchmarks.peers import Peers

ROOT = Path(__file__).parent.parent
NOISY = """
import os
print("a banner, before there is anybody to answer")
from experiments.benchmarks.peers import serve

def answer(question):
    print("a warning in the middle")
    os.write(1, b"compiled code prints without a new line")
    if question["n"] < 0:
        os._exit(3)
    return {"twice": 2 * question["n"]}

serve(answer)
"""


@pytest.fixture
def peers(tmp_path, monkeypatch):
    (tmp_path / "noisy_peers.py").write_text(NOISY)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    peers = Peers(sys.executable, "noisy_peers")
    yield peers
    peers.close()


def test_stray_lines_of_a_peer_are_no_answers(peers):
    assert peers.ask(n=2) == {"twice": 4}
    assert peers.ask(n=3) == {"twice": 6}


def test_a_peer_that_ends_is_named(peers):
    with pytest.raises(RuntimeError, match=r"noisy_peers ended with code 3 at .*-1"):
        peers.ask(n=-1)


def test_a_benchmark_asks_its_own_peers(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    peers = Peers(sys.executable, "experiments.benchmarks.augment_peers")
    # One task is enough: which packages this interpreter has decides the answer.
    assert isinstance(peers.ask(task="32"), list)
    peers.close()
