"""BEiT: arXiv:2106.08254, section 2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, methods, views
from sslax.core import Net
from tests.methods import following
from tests.methods.following import follow

SIDE, PATCH, CHANNELS = 6, 2, 2
COUNT, SIZE, WIDTH, WORDS = (SIDE // PATCH) ** 2, PATCH * PATCH * CHANNELS, 3, 4


def encoder():
    """A matrix over patches, hidden ones a token; a mean is added; a class token."""

    def init(key, image, keep=None, mask=None):
        del image, keep, mask
        w, token = jax.random.split(key)
        return {
            "w": jax.random.normal(w, (SIZE, WIDTH)),
            "token": jax.random.normal(token, (WIDTH,)),
        }, {}

    def apply(params, stats, image, keep=None, mask=None, *, train=False, key=None):
        del keep, train, key
        tokens = augment.patchify(image, patch_size=PATCH) @ params["w"]
        if mask is not None:
            hidden = mask.reshape(len(mask), COUNT, 1) > 0
            tokens = jnp.where(hidden, params["token"].reshape(1, 1, -1), tokens)
        mean = tokens.mean(axis=1, keepdims=True)
        return jnp.concatenate([mean, tokens + mean], axis=1), stats

    return Net(init, apply)


def tokenizer(words=WORDS):
    """Waves of the colours of each pixel of the rendering, and a matrix."""

    def init(key, image):
        return {"w": jax.random.normal(key, (image.shape[-1], words))}, {}

    def apply(params, stats, image, *, train=False, key=None):
        del key
        assert not train
        return jnp.sin(6 * image) @ params["w"], stats

    return Net(init, apply)


def decoder():
    """A matrix from words to mapped pixels."""

    def init(key, words):
        return {"w": jax.random.normal(key, (words.shape[-1], CHANNELS))}, {}

    def apply(params, stats, words, *, train=False, key=None):
        del train, key
        return words @ params["w"], stats

    return Net(init, apply)


def loss(params, extra, batch):
    """Mean over all hidden patches of the batch, each held to its own word."""
    errors = []
    enc, head = params["encoder"], params["head"]["linear1"]
    table = extra["tokenizer"]["encoder"]["w"]
    for image, drawn, mask in zip(
        batch["views"][0], batch["rendering"], batch["mask"], strict=True
    ):
        mapped = 0.1 + 0.8 * drawn.reshape(COUNT, -1)
        words = [np.sin(6 * x) @ table for x in mapped]
        tokens = [
            enc["token"] if hidden else patch @ enc["w"]
            for patch, hidden in zip(patches(image), mask, strict=True)
        ]
        mean = np.mean(tokens, axis=0)
        for token, word, hidden in zip(tokens, words, mask, strict=True):
            if hidden:
                logits = following.dense(token + mean, head)
                errors.append(following.cross_entropy(logits, np.argmax(word)))
    return np.mean(errors)


def patches(image):
    starts = range(0, SIDE, PATCH)
    cuts = [image[r : r + PATCH, c : c + PATCH] for r in starts for c in starts]
    return [cut.ravel() for cut in cuts]


def batches(rng):
    """With another number of hidden patches in every image."""
    grid = SIDE // PATCH
    return [
        {
            "views": (rng.normal(size=(3, SIDE, SIDE, CHANNELS)),),
            "rendering": rng.uniform(size=(3, grid, grid, CHANNELS)),
            "mask": np.array([rng.permutation(COUNT) < n for n in hidden]) * 1.0,
        }
        for hidden in ((1, 4, 6), (2, 2, 5), (7, 1, 3))
    ]


def method(**options):
    options = {"words": WORDS, "decoder": decoder(), **options}
    return methods.beit(encoder(), tokenizer(), patch_size=PATCH, **options)


def test_three_steps_tell_the_words_of_what_is_hidden(rng):
    steps = follow(method(), batches(rng), loss)
    first, last = steps[0].before, steps[-1].after
    following.equal(last.extra["tokenizer"], first.extra["tokenizer"])
    assert set(last.params) == {"encoder", "head"}


def test_what_is_hidden_cannot_be_seen_but_is_asked_for(rng):
    """Its pixels do not matter, its word does; a visible word does not."""
    beit, batch = method(), jax.device_put(batches(rng)[0])
    params, extra = beit.init(jax.random.key(0), batch)
    params["head"] = jax.tree.map(lambda x: 50 * x, params["head"])

    def value(**changes):
        options = {"key": jax.random.key(1), "step": 0}
        changed = {**batch, **changes}
        return beit.objectives["ssl"].loss(params, extra, changed, **options)[0]

    hidden = batch["mask"][..., None]
    pixels = augment.patchify(batch["views"][0], patch_size=PATCH)
    other = augment.unpatchify(
        pixels + 9.0 * hidden, patch_size=PATCH, grid=(SIDE // PATCH,) * 2
    )
    turned = 1 - batch["rendering"]
    cells = hidden.reshape(*turned.shape[:3], 1)
    assert value(views=(other,)) == pytest.approx(float(value()), rel=1e-6)
    seen = jnp.where(cells > 0, batch["rendering"], turned)
    assert value(rendering=seen) == pytest.approx(float(value()), rel=1e-6)
    unseen = jnp.where(cells > 0, turned, batch["rendering"])
    assert abs(value(rendering=unseen) - value()) > 1e-3


def test_pictures_show_what_is_seen_and_paint_words_at_the_rest(rng):
    beit, batch = (
        method(statistics=(0.5, 0.25)),
        jax.device_put(batches(rng)[0]),
    )
    params, extra = beit.init(jax.random.key(0), batch)
    shown = beit.outputs["pictures"](params, extra, batch, key=None)
    image, visible, painted = (np.asarray(x) for x in shown.values())
    hidden = np.asarray(batch["mask"]).reshape(image.shape[:3]) > 0
    np.testing.assert_allclose(image, (batch["rendering"] - 0.5) / 0.25, rtol=1e-5)
    np.testing.assert_array_equal(visible[~hidden], image[~hidden])
    np.testing.assert_array_equal(painted[~hidden], image[~hidden])
    assert not visible[hidden].any()
    colours = np.clip(
        (np.asarray(extra["tokenizer"]["decoder"]["w"]) - 0.1) / 0.8, 0, 1
    )
    distance = np.abs(painted[hidden][:, None] - (colours - 0.5) / 0.25).sum(-1)
    assert distance.min(axis=1).max() < 1e-5


def test_the_two_renderings_are_of_one_crop():
    crop = {"scale": (0.2, 0.5), "jitter": (0.4, 0.4, 0.4, 0.0), "jitter_prob": 1.0}
    make = views.masked(
        view=views.view(size=16, **crop),
        rendering=views.view(size=8, resize="lanczos", **crop),
        mask=views.hide_blocks(patch_size=4, count=6, least=2),
    )
    ramp = jnp.linspace(0, 255, 32).astype(jnp.uint8)
    image = jnp.stack(jnp.broadcast_arrays(ramp[:, None], ramp, ramp[::-1]), axis=-1)
    batch = jax.jit(make)(jax.random.key(0), {"image": jnp.stack([image] * 4)})
    view, drawn = batch["views"][0], batch["rendering"]
    half = view.reshape(4, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    assert drawn.dtype == jnp.float32
    assert np.abs(half - drawn).mean() < 0.02
    assert np.abs(half - drawn[::-1]).mean() > 0.05


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"words": 5}, "the tokenizer has 4 words, and words=5"),
        ({"rendering": (2, 2)}, {}, "2 x 2 words of a rendering of 2 .* 3 x 3 patches"),
        ({"rendering": (1, 9)}, {}, "1 x 9 words .* draw it at another size"),
        ({"rendering": None}, {}, "needs a second rendering"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_found_before_the_first_step(
    changes, options, message, rng
):
    batch = batches(rng)[0]
    if changes.get("rendering"):
        batch["rendering"] = np.ones((3, *changes["rendering"], CHANNELS))
    elif changes:
        del batch["rendering"]
    with pytest.raises(ValueError, match=message):
        following.trace(method(**options), batch)


def test_masks_that_do_not_fit_are_named():
    image = jnp.ones((1, 8, 8, 3))
    with pytest.raises(ValueError, match="count=4 leaves none of 4 places"):
        views.hide_blocks(patch_size=4, count=4)(jax.random.key(0), image)
    with pytest.raises(ValueError, match="count=0 hides nothing"):
        views.hide_blocks(patch_size=4, count=0)
    assert method().given == ("extra/tokenizer",)
