"""iBOT: arXiv:2111.07832, equations 2 and 3, algorithm 1."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models, schedules, views
from sslax.core import Net
from tests.methods.following import (
    equal,
    follow,
    prototypes,
    softmax,
    trace,
    wide,
)

BATCH, K, T = 3, 5, 0.3
MOMENTUM = schedules.cosine(start=0.7, end=1.0, steps=4)
SHARPNESS = schedules.ramp(start=0.1, end=0.2, steps=2)
PATCH_SHARPNESS = schedules.ramp(start=0.2, end=0.1, steps=2)
WEIGHTS = {"class_weight": 0.7, "patch_weight": 1.3}
FROM = 1  # the first step with masks


def encoder(dim=6, side=2):
    """A matrix over pixels, a token for the hidden ones; a map of `side` means."""

    def init(key, x, keep=None, mask=None):
        del keep, mask
        matrix = jax.random.normal(key, (x.shape[-1], dim))
        return {"w": matrix, "mask_token": jnp.ones((1, 1, dim))}, {}

    def apply(params, stats, x, keep=None, mask=None, *, train=False, key=None):
        del train, key
        assert keep is None
        x = x @ params["w"]
        if mask is not None:
            hidden = mask.reshape(*x.shape[:3], 1) > 0
            x = jnp.where(hidden, params["mask_token"][None], x)
        b, h, w, _ = x.shape
        maps = x.reshape(b, side, h // side, side, w // side, dim).mean(axis=(2, 4))
        return {"pooled": jnp.tanh(maps).mean(axis=(1, 2)), "map": maps}, stats

    return Net(init, apply, ("pooled", "map"))


def made(net=None, **options):
    given = {
        "dim": K,
        "hidden": 7,
        "bottleneck": 3,
        "momentum": MOMENTUM,
        "student_temperature": T,
        "teacher_temperature": SHARPNESS,
        "patch_temperature": PATCH_SHARPNESS,
        "centre_momentum": 0.8,
        "masked_from": FROM,
        **WEIGHTS,
    }
    return methods.ibot(net or encoder(), **{**given, **options})


def batches():
    """Crops, and masks of cells of two by two pixels; one crop in three has none."""
    rng = np.random.default_rng(0)

    def batch(step):
        large = [rng.normal(size=(BATCH, 4, 4, 3)) for _ in range(2)]
        small = [rng.normal(size=(BATCH, 2, 2, 3)) for _ in range(2)]
        cells = rng.integers(0, 2, (BATCH, 2, 2, 2))
        cells[0, 0], cells[1, 0, 0, 0] = 0, 1
        fine = np.kron(cells, np.ones((1, 1, 2, 2))).reshape(BATCH, 2, -1)
        masks = fine[:, 0], fine[:, 1]
        return {"views": (*large, *small), "mask": masks, "clock": np.int32(step)}

    return [batch(step) for step in range(3)]


def tokens(view, nets, hidden=None):
    """The class token and the four cells of every image."""
    maps = view @ nets["encoder"]["w"]
    side = maps.shape[1] // 2
    maps = maps.reshape(len(maps), 2, side, 2, side, -1).mean(axis=(2, 4))
    if hidden is not None:
        maps = np.where(hidden[..., None], nets["encoder"]["mask_token"][None], maps)
    return np.tanh(maps).mean(axis=(1, 2)), maps.reshape(len(maps), 4, -1)


def cells_of(batch):
    """What is hidden: `[b 2 h w]`, nothing before `FROM`."""
    cells = np.stack(batch["mask"], axis=1).reshape(BATCH, 2, 4, 4)[:, :, ::2, ::2]
    return cells * (batch["clock"] >= FROM) > 0


def loss(params, extra, batch):
    """The other crops' class tokens, and the cells at the same places."""
    clock, large = batch["clock"], batch["views"][:2]
    sharp, patch_sharp = float(SHARPNESS(clock)), float(PATCH_SHARPNESS(clock))
    hidden = cells_of(batch)
    last = "patch_prototypes" if "patch_prototypes" in params["head"] else "prototypes"
    seen = [tokens(view, params, hidden[:, i]) for i, view in enumerate(large)]
    seen += [tokens(view, params) for view in batch["views"][2:]]
    pairs, crops = [], []
    for g, view in enumerate(large):
        known = [
            prototypes(x, extra["teacher"]["head"])
            for x in tokens(view, extra["teacher"])
        ]
        q = softmax((known[0] - extra["centre"]) / sharp)
        for v in set(range(len(seen))) - {g}:
            p = softmax(prototypes(seen[v][0], params["head"]) / T)
            pairs.append(-np.sum(q * np.log(p), axis=1).mean())
        q = softmax((known[1] - extra["patch_centre"]) / patch_sharp)
        p = softmax(prototypes(seen[g][1], params["head"], last) / T)
        errors = -np.sum(q * np.log(p), axis=-1)
        for row, mask in zip(errors, hidden[:, g].reshape(BATCH, 4), strict=True):
            crops.append(row[mask].mean() if mask.any() else 0.0)
    return 0.7 * np.mean(pairs) + 1.3 * np.mean(crops)


@functools.cache
def followed(shared):
    return follow(wide(made(shared=shared)), batches(), loss)


@pytest.mark.parametrize("shared", [True, False])
def test_masked_patches_learn_the_teachers_and_class_tokens_those_of_other_crops(
    shared,
):
    for step in followed(shared):
        before, after = step.before.extra, step.after.extra
        teacher = before["teacher"]
        seen = [tokens(view, teacher) for view in step.batch["views"][:2]]
        for name, which in (("centre", 0), ("patch_centre", 1)):  # of whole crops
            raw = [prototypes(parts[which], teacher["head"]) for parts in seen]
            mean = np.concatenate([x.reshape(-1, K) for x in raw]).mean(axis=0)
            wanted = 0.8 * before[name] + 0.2 * mean
            np.testing.assert_allclose(after[name], wanted, rtol=1e-9)


def test_the_teacher_has_no_masks_and_one_last_layer_and_follows_its_schedule():
    steps = followed(False)
    params, teacher = steps[0].before.params, steps[0].before.extra["teacher"]
    assert np.all(params["encoder"]["mask_token"] == 0)
    assert params["encoder"].keys() - teacher["encoder"].keys() == {"mask_token"}
    assert params["head"].keys() - teacher["head"].keys() == {"patch_prototypes"}
    for k, step in enumerate(steps):
        m = 1 - (1 - 0.7) * (np.cos(np.pi * k / 4) + 1) / 2
        old = step.before.extra["teacher"]
        student = {
            group: {name: step.after.params[group][name] for name in old[group]}
            for group in old
        }
        mixed = jax.tree.map(lambda t, s, m=m: m * t + (1 - m) * s, old, student)
        equal(step.after.extra["teacher"], mixed)
    read = made().outputs["features"](
        step.after.params, step.after.extra, step.batch, key=None
    )
    wanted = tokens(step.batch["views"][0], step.after.extra["teacher"])[0]
    np.testing.assert_allclose(read, wanted, rtol=1e-9)


def test_with_nothing_hidden_it_is_dino():
    batch = jax.device_put(batches()[1])
    batch |= {"mask": tuple(0 * mask for mask in batch["mask"])}
    ibot, sizes = made(class_weight=1.0), {"dim": K, "hidden": 7, "bottleneck": 3}
    dino = methods.dino(
        encoder(),
        with_gain=True,
        student_temperature=T,
        teacher_temperature=SHARPNESS,
        **sizes,
    )

    @jax.jit
    def both(key, batch):
        params, extra = ibot.init(key, batch)
        options = {"key": key, "step": jnp.int32(FROM)}
        value, aux = ibot.objectives["ssl"].loss(params, extra, batch, **options)
        wanted, _ = dino.objectives["ssl"].loss(params, extra, batch, **options)
        return value, wanted, aux.metrics["patches"]

    value, wanted, patches = both(jax.random.key(0), batch)
    assert patches == 0
    np.testing.assert_allclose(value, wanted, rtol=1e-6)


def test_a_swin_transformer_hides_patches_of_its_last_stage():
    net = models.swin(
        width=4,
        depths=(1, 1),
        heads=(1, 1),
        window_size=4,
        patch_size=2,
        image_size=16,
        masked="token",
        output=("pooled", "map"),
    )
    crop = views.view(size=16)
    make = views.masked_crops(
        crops=views.multi_crop(first=crop, small=views.view(size=12), count=1),
        mask=views.hide_blocks(patch_size=2, unit=4, count=None),
    )
    image = {"image": jnp.ones((2, 16, 16, 3))}
    batch = jax.eval_shape(make, jax.random.key(0), image)
    value, _ = trace(made(net), batch)
    assert value.shape == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"student_temperature": 0.0}, "student_temperature must be .*; got 0.0"),
        ({"patch_temperature": -0.1}, "patch_temperature must be .*; got -0.1"),
        ({"centre_momentum": 1.5}, r"centre_momentum must be in \[0, 1\]; got 1.5"),
        ({"patch_weight": -1.0}, "patch_weight must be 0 or more; got -1.0"),
        ({"net": Net(None, None)}, r"gives one array; make it with output=\('pooled'"),
    ],
)
def test_what_cannot_be_is_told_when_the_method_is_made(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": 1}, "takes 2 or more views of an image; got 1"),
        ({"mask": None}, "views.masked_crops makes them; got none"),
        ({"mask": 5}, "masks of 5 patches do not lie on the encoder's map of 2 x 2"),
    ],
)
def test_a_batch_that_does_not_fit_is_told_before_the_first_step(change, message):
    batch = batches()[0]
    if "views" in change:
        batch["views"] = batch["views"][:1]
    elif change["mask"] is None:
        del batch["mask"]
    else:
        batch["mask"] = tuple(mask[:, :5] for mask in batch["mask"])
    stub, net = encoder(), made()
    if change.get("mask") == 5:  # a net that does not look at masks itself
        net = made(
            Net(
                stub.init,
                lambda p, s, x, *_, **kw: stub.apply(p, s, x, **kw),
                stub.outputs,
            )
        )
    with pytest.raises(ValueError, match=message):
        trace(net, batch)
