"""Optimizers: what the stored trajectories of the references do not hold."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sslax import models, optim, schedules

SCAN = "Scan_Layers_0"


def ran(txs, params, grads):
    """The parameters after each step, for each optimizer, in one compilation."""

    @jax.jit
    def run(params, grads):
        def step(tx, carry, grad):
            params, state = carry
            updates, state = tx.update(grad, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), params

        out = {}
        for name, tx in txs.items():
            carry = params, tx.init(params)
            out[name] = jax.lax.scan(lambda c, g, tx=tx: step(tx, c, g), carry, grads)[
                1
            ]
        return out

    return jax.tree.map(np.asarray, run(params, grads))


def drawn(rng, steps, **shapes):
    """(params, gradients of so many steps)."""
    params = {n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    grads = {
        n: rng.normal(size=(steps, *s)).astype(np.float32) for n, s in shapes.items()
    }
    return params, grads


def close(got, wanted):
    jax.tree.map(
        lambda g, w: np.testing.assert_allclose(g, w, rtol=2e-5, atol=1e-6), got, wanted
    )


def test_exclusion_by_rank_and_by_name():
    params = {
        "conv": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
        "cls": jnp.ones((1, 2)),
        SCAN: {"kernel": jnp.ones((3, 2, 2)), "bias": jnp.ones((3, 2))},
    }
    scanned = {"kernel": True, "bias": False}
    assert optim.included("rank_one")(params) == {
        "conv": {"kernel": True, "bias": False},
        "cls": True,
        SCAN: scanned,
    }
    by_name = optim.included(("bias$", "^cls"))(params)
    assert by_name == {"conv": scanned, "cls": False, SCAN: scanned}
    both = optim.included(("rank_one", "conv/kernel"), stacked=())(params)
    assert both["conv"] == {"kernel": False, "bias": False}
    assert both[SCAN] == {"kernel": True, "bias": True}
    with pytest.raises(ValueError, match=r"'rank_one' or a list.*got 'biases'"):
        optim.included("biases")


def test_stacked_layers_are_seen_one_by_one(rng):
    params, grads = drawn(rng, 3, a=(4, 3), b=(4, 3), a_bias=(3,), b_bias=(3,))
    params["b"] *= 100.0  # the layers have trust ratios of their own
    grads["b"] /= 10.0
    rate = {"learning_rate": 0.5, "weight_decay": 0.1}
    txs = {
        "lars": optim.lars(**rate),
        "lars_byol": optim.lars_byol(**rate),
        "lars_popular": optim.lars_popular(**rate),
        "larc": optim.larc(**rate, exclude="rank_one"),
        "lamb": optim.lamb(**rate),
        "adamw": optim.adamw(**rate),
        "clipped": optim.clipped(optim.sgd(learning_rate=0.5), norm=1.0),
    }

    def stack(tree, axis):
        return {
            SCAN: {
                "kernel": np.stack([tree["a"], tree["b"]], axis),
                "bias": np.stack([tree["a_bias"], tree["b_bias"]], axis),
            }
        }

    apart = ran(txs, params, grads)
    together = ran(txs, stack(params, 0), stack(grads, 1))
    close(together, {name: stack(rows, 1) for name, rows in apart.items()})


def larc_by_hand(params, grads, *, rate, decay, trust, clip, momentum=0.9):
    """What apex's LARC and torch's SGD do, in NumPy."""
    w, rows, buffer = params.astype(np.float64), [], 0.0
    for g in grads.astype(np.float64):
        size, length = np.linalg.norm(w), np.linalg.norm(g)
        if size and length:
            t = trust * size / (length + size * decay + 1e-8)
            g = (min(t / rate, 1.0) if clip else t) * (g + decay * w)
        buffer = momentum * buffer + g
        w = w - rate * buffer
        rows.append(w)
    return np.stack(rows)


def lamb_by_hand(params, grads, *, rate, decay, adapted, b1=0.9, b2=0.999):
    w, m, v, rows = params.astype(np.float64), 0.0, 0.0, []
    for i, g in enumerate(grads.astype(np.float64), start=1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        r = m / (1 - b1**i) / (np.sqrt(v / (1 - b2**i)) + 1e-6)
        r = r + decay * w * adapted
        norms = np.linalg.norm(w), np.linalg.norm(r)
        w = w - rate * r * (norms[0] / norms[1] if adapted and all(norms) else 1.0)
        rows.append(w)
    return np.stack(rows)


def adamw_by_hand(params, grads, *, rates, decays, b1=0.9, b2=0.999):
    w, m, v, rows = params.astype(np.float64), 0.0, 0.0, []
    for i, (g, rate, decay) in enumerate(zip(grads, rates, decays, strict=True), 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        step = m / (1 - b1**i) / (np.sqrt(v / (1 - b2**i)) + 1e-8)
        w = w - rate * (step + decay * w)
        rows.append(w)
    return np.stack(rows)


def test_larc_lamb_and_decay_schedules_follow_their_formulas(rng):
    params, grads = drawn(rng, 4, w=(4, 3), b=(3,), zero=(2, 2))
    params["zero"] *= 0.0
    grads["w"][2] = 0.0
    decay = schedules.cosine(start=0.04, end=0.4, steps=4)
    warm = schedules.ramp(start=0.0, end=1.0, steps=2)
    txs = {
        "larc": optim.larc(learning_rate=3.0, weight_decay=0.01, trust=0.02),
        "solo": optim.larc(
            learning_rate=0.01,
            weight_decay=0.01,
            trust=0.02,
            clip=True,
            exclude="rank_one",
        ),
        "lamb": optim.lamb(learning_rate=0.1, weight_decay=0.02),
        "adamw": optim.adamw(
            learning_rate=0.1, schedule=warm, weight_decay=decay, exclude=("^zero",)
        ),
    }
    got = ran(txs, params, grads)
    ratio = {"trust": 0.02, "decay": 0.01}
    for name in params:
        w, g = params[name], grads[name]
        close(got["larc"][name], larc_by_hand(w, g, rate=3.0, clip=False, **ratio))
        adapted = name != "b"
        if adapted:
            by_hand = larc_by_hand(w, g, rate=0.01, clip=True, **ratio)
            close(got["solo"][name], by_hand)
        close(
            got["lamb"][name],
            lamb_by_hand(w, g, rate=0.1, decay=0.02, adapted=adapted),
        )
        decays = 0.4 - 0.36 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2
        rates = 0.1 * np.array([0.0, 0.5, 1.0, 1.0])
        kept = 0.0 if name == "zero" else 1.0
        close(
            got["adamw"][name],
            adamw_by_hand(w, g, rates=rates, decays=kept * decays),
        )
    velocity, w = 0.0, params["b"]
    for row, g in zip(got["solo"]["b"], grads["b"], strict=True):
        velocity = 0.9 * velocity + g
        w = w - 0.01 * velocity
        close(row, w)


def test_clipping_by_tensor_and_by_the_whole(rng):
    params, grads = drawn(rng, 1, big=(4, 4), small=(2,))
    grads["big"], grads["small"] = 100 * grads["big"], 0.01 * grads["small"]
    plain = optim.sgd(learning_rate=1.0, momentum=0.0)
    txs = {per: optim.clipped(plain, norm=3.0, per=per) for per in ("tensor", "all")}
    txs["adamw"] = optim.adamw(learning_rate=1.0, clip=3.0)
    got = ran(txs, params, grads)
    step = {
        name: jax.tree.map(lambda row, p: p - row[0], rows, params)
        for name, rows in got.items()
    }
    unit = grads["big"][0] / np.linalg.norm(grads["big"])
    close(step["tensor"], {"big": 3 * unit, "small": grads["small"][0]})
    total = np.sqrt(sum(np.sum(g**2) for g in grads.values()))
    close(step["all"], jax.tree.map(lambda g: 3 * g[0] / total, grads))
    with pytest.raises(ValueError, match="'tensor' or 'all'; got 'layer'"):
        optim.clipped(plain, norm=3.0, per="layer")
    with pytest.raises(ValueError, match="positive; got 0"):
        optim.clipped(plain, norm=0)


def test_adamw_clips_the_global_norm():
    big = {"w": jnp.full((4, 4), 100.0)}
    tx = optim.adamw(learning_rate=1.0, clip=1.0)
    _, state = tx.update(big, tx.init(big), big)
    moments = [x for x in jax.tree.leaves(state) if x.shape == (4, 4)]
    # The first moment is (1 - b1) times the clipped gradient: norm 0.1.
    assert min(float(jnp.linalg.norm(m)) for m in moments[:1]) == pytest.approx(0.1)


@pytest.mark.parametrize("per", ["tensor", "all"])
def test_clipping_divides_by_a_millionth_more_than_the_length_as_torch(per):
    gradient = {"w": jnp.array([3e-4, 4e-4])}
    tx = optim.clipped(optax.identity(), norm=1e-4, per=per)
    got, _ = tx.update(gradient, tx.init(gradient))
    factor = 1e-4 / (5e-4 + 1e-6)
    np.testing.assert_allclose(got["w"], [3e-4 * factor, 4e-4 * factor], rtol=1e-5)


def test_frozen_parameters_wait_and_then_start_at_the_rate_of_the_day(rng):
    params, grads = drawn(rng, 6, encoder=(3, 2), prototypes=(2, 4))
    decay = schedules.cosine(start=0.04, end=0.4, steps=6)
    warm = schedules.ramp(start=0.0, end=1.0, steps=6)
    tx = optim.adamw(learning_rate=0.1, schedule=warm, weight_decay=decay)
    rates = 0.1 * np.arange(6) / 6
    decays = 0.4 - 0.36 * (1 + np.cos(np.pi * np.arange(6) / 6)) / 2
    txs = {
        "some": optim.frozen(tx, match=("prototypes",), steps=3),
        "always": optim.frozen(tx, match=("prototypes",)),
    }
    got = ran(txs, params, grads)
    trained = adamw_by_hand(
        params["encoder"], grads["encoder"], rates=rates, decays=decays
    )
    late = adamw_by_hand(
        params["prototypes"],
        grads["prototypes"][3:],
        rates=rates[3:],
        decays=decays[3:],
    )
    start = np.stack([params["prototypes"]] * 6)
    close(got["some"], {"encoder": trained, "prototypes": [*start[:3], *late]})
    np.testing.assert_array_equal(got["some"]["prototypes"][:3], start[:3])
    close(got["always"]["encoder"], trained)
    np.testing.assert_array_equal(got["always"]["prototypes"], start)
    moments = jax.tree.leaves(txs["always"].init(params))
    assert not any(np.shape(m) == (2, 4) for m in moments)
    with pytest.raises(ValueError, match=r"matches \('last',\).*encoder, prototypes"):
        optim.frozen(tx, match=("last",), steps=3).init(params)


def test_groups_have_their_own_optimizers(rng):
    sizes = {"kernel": (3, 2), "bias": (2,), "predictor": (2, 2), "predictor_b": (2,)}
    params, grads = drawn(rng, 2, **sizes)
    sgd = {n: optim.sgd(learning_rate=n, momentum=0.0) for n in (0.1, 1.0, 10.0)}
    others = ((("^predictor",), sgd[10.0]), ("rank_one", sgd[0.1]))
    got = ran({"groups": optim.grouped(sgd[1.0], others=others)}, params, grads)
    # The last matches twice: the first counts.
    rates = {"kernel": 1.0, "bias": 0.1, "predictor": 10.0, "predictor_b": 10.0}
    moved = {
        n: params[n] - rate * np.cumsum(grads[n], axis=0) for n, rate in rates.items()
    }
    close(got["groups"], moved)
    with pytest.raises(ValueError, match="no parameter matches"):
        optim.grouped(sgd[1.0], others=((("nothing",), sgd[0.1]),)).init(params)


def shapes(net, size):
    image = jnp.zeros((1, size, size, 3))
    return jax.eval_shape(net.init, jax.random.key(0), image)[0]


def test_layers_are_numbered_in_our_nets():
    small = {"width": 24, "heads": 3, "depth": 3, "patch_size": 4}
    vit = {"encoder": shapes(models.vit(**small, relative="shared"), 8), "head": 0}
    ids = optim.layer_ids(vit)
    encoder = ids["encoder"]
    assert {*jax.tree.leaves(encoder["patch_embed"]), encoder["cls_token"]} == {0}
    assert encoder["pos_embed"] == 0
    assert set(jax.tree.leaves(encoder["blocks_1"])) == {2}
    assert encoder["relative"] == {"table": 4}  # of all blocks: with the last
    assert {*jax.tree.leaves(encoder["norm"]), ids["head"]} == {4}
    swin = models.swin(
        width=8, depths=(1, 2, 1), heads=(1, 2, 4), window_size=4, patch_size=2
    )
    ids = optim.layer_ids(shapes(swin, 32))
    assert {n: set(jax.tree.leaves(t)) for n, t in ids.items()} == {
        "patch_embed": {0},
        "patch_norm": {0},
        "layer1_0": {1},
        "merge1": {1},
        "layer2_0": {2},
        "layer2_1": {3},
        "merge2": {3},
        "layer3_0": {4},
        "norm": {5},
    }
    with pytest.raises(ValueError, match="patch_embed and blocks; these are bn1/"):
        optim.layer_ids(shapes(models.resnet18(width=1 / 16), 32))


def test_layer_decay_scales_scanned_blocks_as_others():
    small = {"width": 24, "heads": 3, "depth": 3, "patch_size": 4}
    tx = optim.layer_decay(optax.identity(), decay=0.5)
    factors = {}
    for scan in (False, True):
        tree = shapes(models.vit(**small, scan=scan), 8)
        ones = jax.tree.map(lambda s: np.ones(s.shape, s.dtype), tree)
        factors[scan], _ = tx.update(ones, tx.init(ones), ones)
    apart, scanned = factors[False], factors[True]
    (name,) = [n for n in scanned if n.startswith("Scan")]
    kernel = scanned[name]["block"]["fc1"]["kernel"]
    assert kernel[:, 0, 0].tolist() == [0.125, 0.25, 0.5]
    assert [float(apart[f"blocks_{i}"]["fc1"]["bias"][0]) for i in range(3)] == [
        0.125,
        0.25,
        0.5,
    ]
    for tree in (apart, scanned):
        assert float(tree["norm"]["scale"][0]) == 1.0
        assert float(tree["cls_token"][0, 0, 0]) == 0.0625
    with pytest.raises(ValueError, match=r"in \(0, 1\]; got 65"):
        optim.layer_decay(optax.identity(), decay=65)
    # What is frozen outside still counts as a layer.
    frozen = optim.frozen(tx, match=("patch_embed", "blocks_0"))
    ones = jax.tree.map(np.ones_like, apart)
    updates, _ = frozen.update(ones, frozen.init(ones), ones)
    assert float(updates["blocks_1"]["fc1"]["bias"][0]) == 0.25
    assert not np.any(updates["patch_embed"]["kernel"])


def test_configs_may_wrap_optimizers():
    from sslax import calls

    adamw = {
        "name": "adamw",
        "learning_rate": 1.0,
        "schedule": {"name": "ramp", "start": 0.0, "end": 1.0, "steps": 2},
    }
    clip = {"name": "clipped", "optimizer": adamw, "norm": 3.0}
    tx = calls.build(
        {"name": "frozen", "optimizer": clip, "match": ["w"], "steps": 1},
        optax.GradientTransformation,
    )
    params = {"w": jnp.ones((2, 2))}
    updates, state = tx.update(params, tx.init(params), params)
    assert not np.any(updates["w"])
    updates, _ = tx.update(params, state, params)
    np.testing.assert_allclose(updates["w"], -0.5, rtol=1e-5)


@pytest.mark.parametrize("value", [-1.0, 0.0, float("nan"), float("inf")])
def test_a_rate_that_trains_nothing_or_away_is_refused(value):
    makers = (optim.adam, optim.adamw, optim.lamb, optim.larc, optim.lars, optim.sgd)
    for make in (*makers, optim.lars_byol, optim.lars_popular):
        with pytest.raises(
            ValueError, match="learning_rate must be above 0 and finite"
        ):
            make(learning_rate=value)
