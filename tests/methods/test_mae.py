"""MAE: arXiv:2111.06377, section 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, methods, models
from tests.methods import painting
from tests.methods.following import follow

SIDE, PATCH, CHANNELS = 6, 2, 2
STUB, COUNT = (PATCH, CHANNELS), (SIDE // PATCH) ** 2


def batches(rng):
    return [painting.batch(rng, SIDE, *STUB, ratio=0.6) for _ in range(3)]


def method(normalize):
    nets = (
        make(*STUB, class_token=True) for make in (painting.encoder, painting.decoder)
    )
    return methods.mae(*nets, patch_size=PATCH, normalize_target=normalize)


@pytest.mark.parametrize("normalize", [True, False])
def test_three_steps_paint_what_the_mask_hides(rng, normalize):
    follow(
        method(normalize), batches(rng), painting.loss_of(PATCH, normalize=normalize)
    )


def test_pictures_show_what_is_kept_and_paint_the_rest(rng):
    mae = method(False)
    batch = jax.device_put(batches(rng)[0])
    params, extra = mae.init(jax.random.key(0), batch)
    shown = mae.outputs["pictures"](params, extra, batch, key=jax.random.key(0))
    kept = np.asarray(batch["mask"]) == 0
    whole, seen, painted = (
        np.array([painting.patches(x, PATCH) for x in np.asarray(shown[k])])
        for k in ("image", "visible", "painted")
    )
    np.testing.assert_allclose(seen, whole * kept[..., None])
    np.testing.assert_allclose(painted[kept], whole[kept], rtol=1e-12)
    assert np.abs(painted - whole)[~kept].min(axis=-1).max() > 0
    # What is hidden cannot show through.
    pixels = augment.patchify(batch["views"][0], patch_size=PATCH)
    pixels = jnp.where(kept[..., None], pixels, 9.0)
    other = augment.unpatchify(pixels, patch_size=PATCH, grid=(SIDE // PATCH,) * 2)
    batch = {**batch, "views": (other,)}
    again = mae.outputs["pictures"](params, extra, batch, key=jax.random.key(0))
    np.testing.assert_allclose(again["painted"], shown["painted"], rtol=1e-9)


def test_a_decoder_of_other_channels_is_named(rng):
    grey, batch = painting.decoder(PATCH, 1, class_token=True), batches(rng)[0]
    colours = painting.encoder(*STUB, class_token=True)
    mae = methods.mae(colours, grey, patch_size=PATCH, normalize_target=False)
    key = jax.random.key(0)

    def lost(batch):
        start = mae.init(key, batch)
        return mae.objectives["ssl"].loss(*start, batch, key=key, step=0)[0]

    with pytest.raises(
        ValueError, match=r"paints 1 .* have 2: make it with channels=2"
    ):
        jax.eval_shape(lost, batch)


def test_attention_is_read_of_an_encoder_that_gives_it():
    """In training, where patches are missing, there is none, and nothing changes."""
    small = dict(width=8, depth=1, heads=2, patch_size=PATCH)
    images = jax.random.normal(jax.random.key(0), (2, SIDE, SIDE, CHANNELS))
    keep = jnp.tile(jnp.arange(3), (2, 1))
    batch = {
        "views": (images,),
        "keep": keep,
        "restore": jnp.tile(jnp.arange(COUNT), (2, 1)),
        "mask": jnp.ones((2, COUNT)).at[:, :3].set(0),
    }
    found = []
    for output in ("tokens", ("tokens", "attention")):
        method = methods.mae(
            models.mae_encoder(**small, output=output),
            models.mae_decoder(**small, channels=CHANNELS),
            patch_size=PATCH,
        )
        params, extra = method.init(jax.random.key(1), batch)
        options = {"key": jax.random.key(2), "step": 0}
        value, _ = method.objectives["ssl"].loss(params, extra, batch, **options)
        found.append((method, value, method.outputs["features"]))
    (plain, a, features), (looking, b, same) = found
    assert a == b
    assert "attention" not in plain.outputs
    read = {"key": None}
    np.testing.assert_allclose(
        features(params, extra, batch, **read), same(params, extra, batch, **read)
    )
    weights = looking.outputs["attention"](params, extra, batch, **read)
    assert weights.shape == (2, 2, SIDE // PATCH, SIDE // PATCH)
