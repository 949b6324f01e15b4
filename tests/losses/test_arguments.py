"""What a user can get wrong: a ValueError that says what was seen."""

import jax.numpy as jnp
import jaxtyping
import pytest

from sslax import losses

Z = jnp.ones((4, 3))
ODD = jnp.ones((4, 2))
MAP = jnp.ones((2, 2, 2, 3))
LABELS = jnp.arange(4)
INDEX = jnp.zeros((4, 3), int)
YES = jnp.ones((2, 4, 4), bool)
T = {"temperature": 0.1}


@pytest.fixture(autouse=True)
def annotations_off():
    """The checks of the functions themselves are under test."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


TWO_VIEWS = ["nt_xent", "flat_nce", "invaspread"]
WRONG = [
    *[(name, (Z, ODD), T, r"z1 \(4, 3\), z2 \(4, 2\)") for name in TWO_VIEWS],
    *[(name, (Z[:1], Z[:1]), T, "2 or more rows") for name in TWO_VIEWS],
    *[
        (name, (Z, Z), {"temperature": 0.0}, "temperature must be positive")
        for name in TWO_VIEWS
    ],
    ("nt_xent", (Z[0], Z[0]), T, "z1 must have 2 axes"),
    ("nt_xent", (Z, Z, ODD), T, "one number of features"),
    ("nt_xent", (Z, Z), {**T, "reduction": "max"}, "'mean', 'sum', 'none'.*'max'"),
    ("alignment", (Z, ODD), {}, "one shape"),
    ("alignment", (Z, Z), {"alpha": 0}, "alpha must be positive"),
    ("bank_scores", (Z, ODD, INDEX), T, "one number of features"),
    ("bank_scores", (Z, Z, INDEX[:2]), T, "one row per vector"),
    ("barlow_twins", (Z[:1], Z[:1]), {}, "2 or more rows"),
    ("barlow_twins", (Z, Z), {"epsilon": 0.0}, "epsilon must be positive"),
    ("clip", (Z, ODD, 0.0), {}, "one shape"),
    ("clip", (Z, Z, jnp.zeros(2)), {}, "log_scale must be a scalar"),
    ("cmc", ((Z,), (Z,), INDEX), T, "1 views and 1 banks"),
    ("cmc", ((Z, Z), (Z, Z), INDEX), {**T, "log_constants": [0.0]}, "expected 2"),
    ("cosine_regression", (Z, ODD), {}, "one shape"),
    ("cpc", (MAP[0], MAP[0], jnp.ones((2, 3, 3)), INDEX[None]), {}, "2 steps ahead"),
    ("cpc_grid", (MAP, MAP, jnp.ones((1, 3, 3)), []), {}, "more than 2 rows"),
    ("cpc_v2", (MAP[None], MAP), {"first": 1}, "offsets 1 to 1"),
    ("cross_correlation", (Z, ODD), {}, "one shape"),
    ("curl", (Z, Z, ODD), {}, r"positive must have the shape \(4, 2\)"),
    ("curl", (Z[:1], Z[:1], jnp.eye(3)), {}, "2 or more rows"),
    ("debiased_nt_xent", (Z, Z), {**T, "tau_plus": 1.0}, r"tau_plus.*\[0, 1\)"),
    ("dino", (Z[None], Z[None], Z[0]), {}, "two student crops"),
    ("dino", (MAP[0], MAP[0], Z[0, :2]), {}, "centre must have the shape"),
    ("distillation", (Z, ODD), {}, "one shape"),
    ("distillation", (Z, Z), {"temperature": -1.0}, "temperature must be positive"),
    (
        "hard_negative_nt_xent",
        (Z, Z),
        {**T, "tau_plus": 0.1, "beta": -1.0},
        "beta must be 0 or more",
    ),
    ("info_nce", (Z[:1], Z[:1]), T, "2 or more rows"),
    ("info_nce", (Z, Z, ODD), T, "one number of features"),
    ("info_nce", (Z, Z, Z[:0]), T, "n >= 1"),
    ("info_nce", (Z, Z, jnp.ones((2, 5, 3))), T, "one row per query"),
    ("info_nce_logits", (Z[:, :1],), {}, "a negative"),
    ("invaspread", (Z, Z), {**T, "negative_weight": 0.5}, "1 or more, got 0.5"),
    ("moco_v3", (Z, Z, Z, ODD), T, "one shape"),
    ("nce", (Z[:, :1],), {"log_noise": 0.0}, "data and noise"),
    ("nce", (Z,), {"log_noise": 0.0, "epsilon": -1.0}, "epsilon must be 0 or more"),
    ("negative_cosine", (Z, ODD), {}, "one shape"),
    ("nonparametric_softmax", (Z, Z, LABELS[:2]), T, "one entry per vector"),
    ("nonparametric_softmax", (Z, Z[:1], LABELS), T, "two rows or more"),
    ("patch_nce", (MAP[0][:, :1], MAP[0][:, :1]), {}, "two patches or more"),
    ("pix_contrast", (MAP, MAP, YES), {"log_over": "image"}, "'cell' or 'batch'"),
    ("pix_pro", (MAP, MAP, YES[:1]), {}, "positives must have the shape"),
    ("pixel_positives", (Z, Z), {"size": (2, 2)}, "box1 must have the shape"),
    ("pixel_propagation", (MAP, MAP[:1]), {}, "values must have the shape"),
    ("siglip", (Z, ODD, 0.0, 0.0), {}, "one shape"),
    ("sinkhorn", (Z,), {"epsilon": 0.0}, "epsilon must be positive"),
    ("sinkhorn", (Z,), {"iterations": 0}, "iterations must be 1 or more"),
    ("supcon", (MAP[0], LABELS), T, "labels must have the shape"),
    ("supcon", (Z[:1, None], LABELS[:1]), T, "two or more vectors"),
    ("supcon", (Z[:, None], LABELS), {**T, "anchors": "one"}, "'all', 'first'"),
    ("swav", (Z[None], Z[None]), T, "two views or more"),
    ("swav", (MAP[0], MAP[0]), {**T, "assigned": [0, 5]}, r"assigned \(0, 5\)"),
    ("uniformity", (Z[:1],), {}, "2 or more rows"),
    ("vicreg", (Z, ODD), {}, "one shape"),
]


@pytest.mark.parametrize(
    ("name", "arrays", "options", "message"),
    [pytest.param(*case, id=f"{case[0]}: {case[3]}") for case in WRONG],
)
def test_mistakes_are_named(name, arrays, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(losses, name)(*arrays, **options)
