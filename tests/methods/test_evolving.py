"""Evolving Losses: arXiv:2002.12177, sections 3.1 to 3.3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods
from sslax.core import Net
from tests.methods.following import dense, equal, follow, mlp, unit

TASKS, DEPTHS, MARGIN = 7, ("layer", "pooled"), 1.5
NAMES = ("encoder", "flow", "grey", "sound")
CHANNELS = dict(zip(NAMES, (3, 2, 1, 1), strict=True))
BATCH, FRAMES, AFTER, SIDE, MELS = 3, 4, 2, 2, 3
COPIES = ("views", "shuffled", "reversed", "shifted")


def encoder():
    """One matrix over the whole clip, and one over the channels of each place."""

    def init(key, x):
        w, v = jax.random.split(key)
        size = int(np.prod(x.shape[1:]))
        return {
            "w": jax.random.normal(w, (size, 5)) / size**0.5,
            "v": jax.random.normal(v, (x.shape[-1], 5)),
        }, {}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del train, key, order
        pooled = x.reshape(len(x), -1) @ params["w"]
        return {"pooled": pooled, "layer": x @ params["v"]}, stats

    return Net(init, apply, ("pooled", "layer"))


def decoder():
    """A matrix from features to what is decoded."""

    def init(key, x, like):
        size = int(np.prod(like.shape[1:]))
        return {"w": jax.random.normal(key, (x.shape[1], size))}, {}

    def apply(params, stats, x, like, *, train=False, key=None, order=None):
        del train, key, order
        return (x @ params["w"]).reshape(like.shape), stats

    return Net(init, apply)


def made(**options):
    nets = {name: encoder() for name in NAMES[1:]}
    options = {**nets, "decoder": decoder(), "hidden": 4, **options}
    options = {"depths": DEPTHS, "margin": MARGIN, **options}
    return methods.evolving(encoder(), **options)


def batches(rng, has_sound):
    def clips(frames):
        sides = [(frames, SIDE, SIDE)] * 3 + [(2 * frames, MELS)]
        sizes = zip(sides, CHANNELS.values(), strict=True)
        return tuple(rng.normal(size=(BATCH, *side, c)) for side, c in sizes)

    return [
        {k: clips(FRAMES) for k in COPIES}
        | {"after": clips(AFTER), "has_sound": np.array(known, bool)}
        for known in has_sound
    ]


def mean(terms, known):
    """Over the clips that have what is compared."""
    found = [t for t, k in zip(terms, known, strict=True) if k]
    return np.mean(found) if found else 0.0


def told(logits, known):
    """The first of several is true; what is true and what is not have equal shares."""
    yes = mean(np.log1p(np.exp(-logits[0])), known[0])
    no = mean(np.log1p(np.exp(np.concatenate(logits[1:]))), np.concatenate(known[1:]))
    return (yes + no) / 2


def features_of(params, batch):
    return {
        name: [batch[k][i].reshape(BATCH, -1) @ params[name]["w"] for k in COPIES]
        for i, name in enumerate(NAMES)
    }


def terms_of(name, params, batch, features):
    """The seven of one modality."""
    place, other = NAMES.index(name), ("encoder" if name != "encoder" else "flow")
    heads = params["heads"][name]
    present = {n: [True] * BATCH for n in NAMES} | {"sound": batch["has_sound"]}
    both = [a and b for a, b in zip(present[name], present[other], strict=True)]
    foreign = [both[i] and present[other][i - 1] for i in range(BATCH)]
    own, shuffled, back, shifted = features[name]
    beside = features[other][0]
    next_one = beside[[i - 1 for i in range(BATCH)]]

    def decoded(task, target, known):
        made = (own @ heads[task]["w"]).reshape(target.shape)
        return mean(((made - target) ** 2).reshape(BATCH, -1).mean(axis=1), known)

    def linear(task, *several):
        logits = [dense(x, heads[task]["linear1"])[:, 0] for x in several]
        return told(logits, [present[name]] * len(several))

    pairs = [(own, beside), (shifted, beside), (own, next_one)]
    logits = [mlp(np.concatenate(p, 1), heads["alignment"])[:, 0] for p in pairs]
    far = np.linalg.norm(unit(own) - unit(next_one), axis=1)
    near = np.linalg.norm(unit(own) - unit(beside), axis=1)
    return [
        decoded("reconstruction", batch["views"][place], present[name]),
        decoded("prediction", batch["after"][place], present[name]),
        decoded("transfer", batch["views"][NAMES.index(other)], both),
        linear("order", own, shuffled),
        linear("direction", own, back),
        mean(near + np.maximum(0, MARGIN - far), foreign),
        told(logits, [both, both, foreign]),
    ]


def distilled(name, params, still, batch, features, other_features):
    """Of each depth, the distance by element; of sound that of means over places."""
    place = NAMES.index(name)
    layer = batch["views"][0] @ params["encoder"]["v"]
    taught = batch["views"][place] @ still[name]["v"]
    if layer.shape != taught.shape:
        layer, taught = layer.mean(axis=(1, 2, 3)), taught.mean(axis=(1, 2))
    known = batch["has_sound"] if name == "sound" else [True] * BATCH
    pairs = ((layer, taught), (features["encoder"][0], other_features[name][0]))
    return [
        mean(np.sqrt(((a - b) ** 2).reshape(BATCH, -1).mean(axis=1)), known)
        for a, b in pairs
    ]


def loss(params, extra, batch):
    features = features_of(params, batch)
    still = features_of(extra["still"], batch)
    found = [t for name in NAMES for t in terms_of(name, params, batch, features)]
    for name in NAMES[1:]:
        found += distilled(name, params, extra["still"], batch, features, still)
    return np.sum(extra["weights"] * found)


def test_three_steps_of_all_tasks_and_depths(rng):
    weights = rng.uniform(size=4 * TASKS + 3 * len(DEPTHS))
    known = [(1, 1, 1), (0, 1, 1), (1, 0, 0)]
    steps = follow(made(weights=weights.tolist()), batches(rng, known), loss)
    equal(steps[-1].after.extra["weights"], weights.astype(np.float32))
    names = {"ssl/order", "ssl/distillation", "ssl/alignment_accuracy"}
    assert names <= set(steps[0].metrics)


@pytest.fixture(scope="module")
def slopes():
    """Values, metrics and gradients of any weights and batch, by one compilation."""
    method, traces = made(), []
    (batch,) = batches(np.random.default_rng(0), [(1, 1, 1)])
    batch = jax.device_put(batch)
    params, extra = method.init(jax.random.key(0), batch)

    @jax.jit
    def both(weights, batch):
        traces.append(None)

        def value(params):
            state, run = {**extra, "weights": weights}, method.objectives["ssl"].loss
            found, aux = run(params, state, batch, key=jax.random.key(1), step=0)
            return found, aux.metrics

        return jax.value_and_grad(value, has_aux=True)(params)

    yield lambda weights, batch: both(weights, jax.device_put(batch))
    assert len(traces) == 1


def test_sound_that_is_missing_teaches_nothing(slopes, rng):
    """Whatever stands in its place: only terms of sound know of it, and are 0."""
    (batch,) = batches(rng, [(0, 0, 0)])
    other = {
        k: (*v[:3], 9 * v[3]) if isinstance(v, tuple) else v for k, v in batch.items()
    }
    ones = jnp.ones(4 * TASKS + 3 * len(DEPTHS))
    found, again = slopes(ones, batch), slopes(ones, other)
    equal(found, again)
    assert not any(np.any(x) for x in jax.tree.leaves(found[1]["sound"]))


def test_a_term_without_weight_teaches_nothing(slopes, rng):
    (batch,) = batches(rng, [(1, 1, 1)])
    order = TASKS // 2  # whether frames are in order
    for place, name in enumerate(NAMES):
        term = place * TASKS + order
        weights = jnp.zeros(4 * TASKS + 3 * len(DEPTHS)).at[term].set(1)
        _, found = slopes(weights, batch)
        for group in NAMES:
            size = sum(np.abs(x).sum() for x in jax.tree.leaves(found[group]))
            assert (size > 0) == (group == name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [1.0] * 30}, "weights must be 34 numbers .*got 30"),
        ({"weights": [-1.0] * 34}, "the least -1.0"),
        ({"margin": 0.0}, "margin must be positive"),
        ({"depths": ("layer9",)}, r"encoder does not give \['layer9'\]"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


def test_batches_of_one_clip_and_without_sound_are_refused(rng):
    (batch,) = batches(rng, [(1, 1, 1)])
    alone = jax.tree.map(lambda x: x[:1], batch)
    with pytest.raises(ValueError, match="2 or more rows"):
        made().init(jax.random.key(0), alone)
    silent = {**batch, "views": batch["views"][:3]}
    with pytest.raises(ValueError, match="takes 4 views"):
        made().init(jax.random.key(0), silent)
