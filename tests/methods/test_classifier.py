"""Cross-entropy of a classifier: arXiv:2111.06377, appendix A.1."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sslax import methods
from sslax.core import Net
from sslax.step import init_state, train_step
from tests.methods.following import dense, equal, flat, follow, linear, train

KEY, CLASSES = jax.random.key(0), 3


def counted(dim=4):
    """The linear stub; its statistics count the passes in training mode."""
    net = linear(dim)

    def init(key, x):
        return net.init(key, x)[0], {"passes": jnp.zeros(())}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del key, order
        return net.apply(params, {}, x)[0], {"passes": stats["passes"] + train}

    return Net(init, apply)


def batches(rng, target=False):
    rows = {
        "views": (rng.normal(size=(3, 6, 2, 2, 2)),),
        "label": rng.integers(0, CLASSES, (3, 6)),
    }
    if target:
        soft = rng.uniform(size=(3, 6, CLASSES))
        rows["target"] = soft / soft.sum(-1, keepdims=True)
    return [jax.tree.map(lambda x, i=i: x[i], rows) for i in range(3)]


def loss_of(smoothing=0.0, prepared=lambda h: h):
    def loss(params, extra, batch):
        del extra
        h = prepared(flat(batch["views"][0], params["encoder"]))
        logits = dense(h, params["classifier"]["linear1"])
        wanted = np.eye(CLASSES)[batch["label"]]
        wanted = (1 - smoothing) * wanted + smoothing / CLASSES
        wanted = batch.get("target", wanted)  # smoothed by who made it
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -np.mean((wanted * log_p).sum(1))

    return loss


@pytest.mark.parametrize(
    ("smoothing", "target"), [(0.0, False), (0.3, False), (0.3, True)]
)
def test_three_steps(smoothing, target, rng):
    method = methods.classifier(
        counted(), classes=CLASSES, smoothing=smoothing, head_init=0.5
    )
    steps = follow(method, batches(rng, target), loss_of(smoothing))
    for step in steps:
        logits = dense(
            flat(step.batch["views"][0], step.before.params["encoder"]),
            step.before.params["classifier"]["linear1"],
        )
        wanted = step.batch["target"].argmax(1) if target else step.batch["label"]
        right = np.mean(logits.argmax(1) == wanted)
        np.testing.assert_allclose(step.metrics["supervised/accuracy"], right, 1e-6)
    assert steps[-1].after.extra["stats"]["encoder"]["passes"] == 3


def test_a_frozen_encoder_neither_moves_nor_counts_a_batch(rng):
    method = methods.classifier(
        counted(), classes=CLASSES, frozen=True, head_norm=True, head_init=0.5
    )
    for step in train(method, batches(rng)):
        wanted = loss_of(prepared=_normed)(step.before.params, {}, step.batch)
        np.testing.assert_allclose(step.metrics["supervised/loss"], wanted, rtol=1e-6)
        equal(step.after.params["encoder"], step.before.params["encoder"])
        assert step.after.extra["stats"]["encoder"]["passes"] == 0
        kernels = [
            s.params["classifier"]["linear1"]["kernel"]
            for s in (step.before, step.after)
        ]
        assert np.abs(kernels[1] - kernels[0]).max() > 1e-4
    norm = step.after.extra["stats"]["classifier"]["batch_stats"]["bn0"]
    assert np.abs(norm["mean"]).max() > 0.01


def _normed(h):
    """MAE's probe: neither scale nor shift, another epsilon."""
    return (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-6)


def test_an_optimizer_does_not_see_what_is_frozen(rng):
    """Decay would move it without a gradient."""
    method = methods.classifier(linear(4), classes=CLASSES, frozen=True)
    tx = {"supervised": optax.adamw(0.1, weight_decay=0.5)}
    batch = batches(rng)[0]
    same = lambda key, batch: batch  # noqa: E731
    state = init_state(method, tx, same, batch, KEY)
    after, _ = jax.jit(lambda s: train_step(method, tx, same, s, batch, KEY))(state)
    equal(after.params["encoder"], state.params["encoder"])


def test_a_projector_stands_between_features_and_classifier(rng):
    double = Net(lambda key, x: ({}, {}), lambda p, s, x, **options: (2 * x, s))
    method = methods.classifier(linear(4), classes=CLASSES, projector=double)
    batch = batches(rng)[0]
    params, extra = method.init(KEY, batch)
    assert list(params) == ["encoder", "projector", "classifier"]
    read = {k: f(params, extra, batch, key=KEY) for k, f in method.outputs.items()}
    params = jax.device_get(params)
    features = flat(batch["views"][0], params["encoder"])
    np.testing.assert_allclose(read["features"], features, rtol=1e-6)
    layer = params["classifier"]["linear1"]
    np.testing.assert_allclose(read["logits"], dense(2 * features, layer), rtol=1e-5)


def test_mistakes_are_named(rng):
    with pytest.raises(ValueError, match="at least 2; got 1"):
        methods.classifier(linear(4), classes=1)
    with pytest.raises(ValueError, match=r"in \[0, 1\); got 1.5"):
        methods.classifier(linear(4), classes=2, smoothing=1.5)
    method = methods.classifier(linear(4), classes=4)
    batch = batches(rng, target=True)[0]
    state = method.init(KEY, batch)
    with pytest.raises(ValueError, match="has 3 classes, the method 4"):
        _loss(method, state, batch)
    with pytest.raises(ValueError, match=r"no 'target' and no 'label'.*\['views'\]"):
        _loss(method, state, {"views": batch["views"]})


def _loss(method, state, batch):
    return method.objectives["supervised"].loss(*state, batch, key=KEY, step=0)
