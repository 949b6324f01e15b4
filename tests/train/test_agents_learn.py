"""An agent of the sample's size, from pixels, beside actions drawn at random."""

import pytest

from experiments import agents
from sslax.environments import swing_up


@pytest.mark.slow
def test_returns_grow_clearly_above_chance(tmp_path):
    """About 200 after 3,000 steps; chance returns 92, its mean is known to 6."""
    returns = agents.trained("sample", 0, tmp_path, 3_000)
    chance = agents.chance(swing_up(size=32))
    assert returns[3_000] > 1.5 * chance.mean()
    assert returns[3_000] > returns[1_000]
