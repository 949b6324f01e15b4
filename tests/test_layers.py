"""The five runs of the study of layers: one size of network, rates that suit it."""

import pytest

from experiments import layers
from sslax.commands.overrides import load_config


@pytest.mark.parametrize("variant", layers.RECIPES)
def test_rates_are_those_of_transformers(variant):
    """And the schedule follows from the epochs."""
    config = load_config(f"experiments/layers.py:{variant}", [("epochs", "3")])
    encoder = config["method"]["encoder"]
    assert {k: encoder[k] for k in layers.NET} == layers.NET
    assert config["steps"] == 3 * config["steps_per_epoch"]
    assert max(rates(config["optimizer"])) <= 1.5e-3


def rates(spec):
    if isinstance(spec, (list, tuple)):
        return [rate for one in spec for rate in rates(one)]
    if not isinstance(spec, dict):
        return []
    own = [spec["learning_rate"]] if "learning_rate" in spec else []
    return own + [rate for value in spec.values() for rate in rates(value)]


def test_another_variant_is_refused():
    with pytest.raises(ValueError, match="no variant 'byol'"):
        layers.get_config("byol")
