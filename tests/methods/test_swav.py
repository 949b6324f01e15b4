"""SwAV: arXiv:2006.09882, equations 1 to 6 and sections 3.2 and 3.3."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods
from tests.methods.following import colours, equal, follow, mlp, train, unit

BATCH, DIM, K, T, EPSILON = 4, 3, 5, 0.3, 0.2


def made(**options):
    return methods.swav(
        colours(6),
        hidden=7,
        dim=DIM,
        prototypes=K,
        temperature=T,
        epsilon=EPSILON,
        **options,
    )


def crops(rng, large=2, small=3):
    def batch():
        views = [rng.normal(size=(BATCH, 4, 4, 3)) for _ in range(large)]
        views += [rng.normal(size=(BATCH, 2, 2, 3)) for _ in range(small)]
        return {"views": tuple(views)}

    return [batch() for _ in range(3)]


def embedded(params, views):
    """All crops pass the head together: its batch norm sees them all."""
    features = [view.mean(axis=(1, 2)) @ params["encoder"]["w"] for view in views]
    z = unit(mlp(np.concatenate(features), params["head"]["projector"]))
    return z.reshape(len(views), BATCH, DIM)


def codes(scores):
    """Sinkhorn by its steps: prototypes first, each to 1/K, then samples to 1."""
    q = np.exp(scores / EPSILON).T
    q /= q.sum()
    for _ in range(3):
        q /= K * q.sum(axis=1, keepdims=True)
        q /= q.shape[1] * q.sum(axis=0, keepdims=True)
    return (q * q.shape[1]).T


def loss(params, extra, batch, targets=None):
    """Codes of crops 0 and 1, of this batch and of a full queue, for all others."""
    views = batch["views"]
    z, prototypes = embedded(params, views), params["head"]["prototypes"]["kernel"]
    targets = assigned(params, extra, views) if targets is None else targets
    total = 0.0
    for i in (0, 1):
        for v in set(range(len(views))) - {i}:
            p = np.exp(z[v] @ prototypes / T)
            log_p = np.log(p / p.sum(axis=1, keepdims=True))
            total -= np.sum(targets[i] * log_p, axis=1).mean() / (len(views) - 1)
    return total / 2


def assigned(params, extra, views):
    z, prototypes = embedded(params, views), params["head"]["prototypes"]["kernel"]
    found = []
    for i in (0, 1):
        rows = z[i]
        if "queue" in extra and np.any(extra["queue"][i, -1] != 0):
            rows = np.concatenate([extra["queue"][i], rows])
        found.append(codes(rows @ prototypes)[-BATCH:])
    return found


def followed(method, batches):
    """Follows the losses without the projection; the codes of a step stand still."""
    free = dataclasses.replace(method, after_update=lambda p, e, *, step: (p, e))
    targets = {}

    def with_fixed_codes(params, extra, batch):
        # The first call of a step is at its own parameters.
        seen = id(batch)
        if seen not in targets:
            targets[seen] = assigned(params, extra, batch["views"])
        return loss(params, extra, batch, targets[seen])

    return follow(free, batches, with_fixed_codes)


@pytest.mark.parametrize("small", [0, 3])
def test_codes_of_the_large_crops_are_predicted_by_all_others(rng, small):
    steps = followed(made(), crops(rng, small=small))
    assert set(steps[0].before.extra) == {"stats"}
    # Once for each size, however many crops have it.
    calls = steps[0].after.extra["stats"]["encoder"]["calls"]
    assert int(calls) == (2 if small else 1)


@pytest.mark.parametrize(("size", "start", "used"), [(8, 0, 2), (4, 1, 2), (4, 0, 1)])
def test_a_queue_begins_at_its_step_and_is_used_once_it_is_full(rng, size, start, used):
    batches = crops(rng)
    steps = followed(made(queue_size=size, queue_start=start), batches)
    for k, step in enumerate(steps):
        queue = step.before.extra["queue"]
        assert bool(np.any(queue[:, -1] != 0)) == (k >= used)
        new = embedded(step.before.params, step.batch["views"])[:2]
        wanted = np.concatenate([new, queue], axis=1)[:, :size]  # newest first
        np.testing.assert_allclose(
            step.after.extra["queue"], wanted if k >= start else queue, rtol=1e-9
        )


def test_prototypes_go_back_to_unit_length_after_each_update(rng):
    method, batches = made(), crops(rng)
    [free, *_], steps = followed(method, batches), train(method, batches)
    equal(free.before.params, steps[0].before.params)
    after = free.after.params["head"]["prototypes"]["kernel"]
    assert np.abs(np.linalg.norm(after, axis=0) - 1).max() > 1e-3
    equal(steps[0].after.params["head"]["prototypes"]["kernel"], unit(after.T).T)
    for step in steps:
        kernel = step.after.params["head"]["prototypes"]["kernel"]
        np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive and finite; got 0.0"),
        ({"epsilon": -1.0}, "epsilon must be positive"),
        ({"iterations": 0}, "iterations must be positive"),
        ({"queue_size": -4}, "queue_size must be 0 or more; got -4"),
        ({"prototypes": 0}, "prototypes must be at least 1; got 0"),
    ],
)
def test_a_number_out_of_range_is_told_when_the_method_is_made(options, message):
    with pytest.raises(ValueError, match=message):
        methods.swav(colours(6), **options)


@pytest.mark.parametrize(
    ("images", "count", "size", "message"),
    [
        (4, 1, 0, "the method takes 2 or more views of an image; got 1"),
        (1, 2, 0, "view 0 must have 2 or more rows"),
        (4, 2, 10, "the batch of 4 images; the nearest are 8 and 12"),
    ],
)
def test_a_batch_that_does_not_fit_is_told_before_the_first_step(
    images, count, size, message
):
    batch, method = {"views": (jnp.ones((images, 2, 2, 3)),) * count}, made()
    params, extra = method.init(jax.random.key(0), batch)
    loss_of = made(queue_size=size).objectives["ssl"].loss
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(
            functools.partial(loss_of, key=jax.random.key(0), step=0),
            params,
            extra,
            batch,
        )
