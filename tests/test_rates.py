"""Every rate and schedule of a config has a name in the log."""

import optax
import pytest

from sslax import calls
from sslax.rates import rates

HALF = {"name": "constant", "value": 0.5}
ADAMW = {"name": "adamw", "learning_rate": 0.2, "schedule": HALF}
SGD = {"name": "sgd", "learning_rate": 0.1}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (ADAMW, {"learning_rate": 0.1}),
        (
            {"name": "clipped", "optimizer": ADAMW, "norm": 1.0},
            {"learning_rate": 0.1},
        ),
        (
            {"name": "frozen", "optimizer": SGD, "match": ("bias",), "steps": 3},
            {"learning_rate": 0.1},
        ),
        (
            {"name": "layer_decay", "optimizer": ADAMW, "decay": 0.65},
            {"learning_rate": 0.1},
        ),
        (
            {
                "name": "grouped",
                "optimizer": ADAMW,
                "others": (("rank_one", SGD), (("head", "gain"), ADAMW)),
            },
            {
                "learning_rate": 0.1,
                "others/0/learning_rate": 0.1,
                "others/1/learning_rate": 0.1,
            },
        ),
        (
            {
                "name": "clipped",
                "norm": 3.0,
                "optimizer": {
                    "name": "frozen",
                    "match": ("prototypes",),
                    "optimizer": {
                        **ADAMW,
                        "weight_decay": {
                            "name": "ramp",
                            "start": 0.0,
                            "end": 1.0,
                            "steps": 4,
                        },
                    },
                },
            },
            {"learning_rate": 0.1, "weight_decay": 0.75},
        ),
    ],
)
def test_wrapped_optimizers_log_the_rates_inside_them(spec, expected):
    calls.build(spec, optax.GradientTransformation)
    assert {name: float(rate(3)) for name, rate in rates(spec).items()} == expected


def test_a_methods_schedules_are_logged_and_its_constants_are_not():
    momentum = {"name": "ramp", "start": 0.9, "end": 1.0, "steps": 10}
    encoder = {"name": "vit_tiny", "drop_path": 0.1}
    spec = {"name": "byol", "momentum": momentum, "encoder": encoder, "dim": 4}
    found = rates(spec)
    assert list(found) == ["momentum"]
    assert float(found["momentum"](5)) == pytest.approx(0.95)
