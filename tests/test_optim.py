"""Optimizers against the stored trajectories of the reference implementations."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sslax import optim

FOLDER = Path(__file__).parent / "goldens" / "vision"


def load_case(name):
    cases = json.loads((FOLDER / "manifest.json").read_text())["cases"]
    (parameters,) = [c["parameters"] for c in cases if c["id"] == name]
    return dict(np.load(FOLDER / f"{name}.npz")), parameters


def trajectory(tx, arrays):
    """Every parameter after each step, gradients being given."""
    names = [k.removeprefix("in/param/") for k in arrays if k.startswith("in/param/")]
    params = {n: jnp.asarray(arrays[f"in/param/{n}"]) for n in names}
    state, rows = tx.init(params), []
    update = jax.jit(tx.update)
    for i in range(5):
        grads = {n: jnp.asarray(arrays[f"in/grad/{n}"][i]) for n in names}
        updates, state = update(grads, state, params)
        params = optax.apply_updates(params, updates)
        rows.append(params)
    return {n: np.stack([row[n] for row in rows]) for n in names}


def compare(got, arrays, prefix, rtol):
    for name, rows in got.items():
        expected = arrays[f"{prefix}/{name}"]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(rows, expected, rtol=rtol, atol=rtol * scale)


def lars_tx(make, rates, exclude="rank_one"):
    return make(
        learning_rate=4.8,
        schedule=lambda step: jnp.asarray(rates)[step] / 4.8,
        momentum=0.9,
        weight_decay=1.5e-6,
        trust=1e-3,
        exclude=exclude,
    )


@pytest.mark.parametrize("kind", ["const_lr", "varying_lr"])
@pytest.mark.parametrize(
    ("make", "name"), [(optim.lars, "simclr"), (optim.lars_byol, "byol")]
)
def test_lars_follows_the_official_trajectories(make, name, kind):
    arrays, parameters = load_case("lars_simclr_byol_a")
    got = trajectory(lars_tx(make, parameters[kind]), arrays)
    compare(got, arrays, f"out/{name}_{kind}", 1e-5)


def test_lars_without_exclusion():
    arrays, parameters = load_case("lars_torch_a")
    tx = lars_tx(optim.lars_byol, parameters["varying_lr"], "none")
    compare(trajectory(tx, arrays), arrays, "out/varying_lr/no_exclusion", 1e-5)


def test_adamw_and_sgd_follow_torch():
    arrays, parameters = load_case("adamw_sgd_torch")
    rates = jnp.asarray(parameters["adamw"]["lrs"])
    adamw = optim.adamw(
        learning_rate=1.0,
        schedule=lambda step: rates[step],
        b2=0.95,
        weight_decay=0.05,
        exclude="none",
    )
    compare(trajectory(adamw, arrays), arrays, "out/adamw", 1e-5)
    for name, nesterov in (("sgd", False), ("sgd_nesterov", True)):
        sgd = optim.sgd(learning_rate=0.03, weight_decay=1e-4, nesterov=nesterov)
        compare(trajectory(sgd, arrays), arrays, f"out/{name}", 1e-5)


def test_exclusion_by_rank_and_by_name():
    params = {
        "conv": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
        "cls": jnp.ones((1, 2)),
    }
    by_rank = optim.included("rank_one")(params)
    assert by_rank == {"conv": {"kernel": True, "bias": False}, "cls": True}
    by_name = optim.included(("bias$", "^cls"))(params)
    assert by_name == {"conv": {"kernel": True, "bias": False}, "cls": False}
    with pytest.raises(ValueError, match=r"'rank_one' or a list.*got 'biases'"):
        optim.included("biases")


def test_clip_bounds_the_global_norm():
    big = {"w": jnp.full((4, 4), 100.0)}
    tx = optim.adamw(learning_rate=1.0, clip=1.0)
    _, state = tx.update(big, tx.init(big), big)
    moments = [x for x in jax.tree.leaves(state) if x.shape == (4, 4)]
    # The first moment is (1 - b1) times the clipped gradient: norm 0.1.
    assert min(float(jnp.linalg.norm(m)) for m in moments[:1]) == pytest.approx(0.1)
