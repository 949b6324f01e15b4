"""ConvMAE: arXiv:2205.03892, section 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models
from tests.methods import painting
from tests.methods.following import follow

SIDE, PATCH, CHANNELS = 8, 4, 2
STUB = (PATCH, CHANNELS)


def nets():
    """Without class token."""
    both = painting.encoder, painting.decoder
    return [make(*STUB, class_token=False) for make in both]


def batch(rng):
    return painting.batch(rng, SIDE, *STUB, ratio=0.5)


def test_three_steps_paint_what_the_mask_hides(rng):
    method = methods.convmae(*nets(), patch_size=PATCH)
    steps = follow(
        method, [batch(rng) for _ in range(3)], painting.loss_of(PATCH, normalize=True)
    )
    last, images = steps[-1].after, steps[-1].batch["views"][0]
    one = {"views": (jnp.asarray(images),)}
    seen = method.outputs["map"](last.params, last.extra, one, key=None)
    whole = np.array([painting.patches(image, PATCH) for image in images])
    wanted = (whole @ last.params["encoder"]["w"]).reshape(3, 2, 2, 3)
    np.testing.assert_allclose(seen, wanted, rtol=1e-9)


@pytest.mark.parametrize("strides", [(2, 1, 2), (1, 2, 2)])
def test_hidden_places_reach_no_scale_and_every_scale_is_painted_from(rng, strides):
    """Changed pixels of a hidden place change no prediction, not even of neighbours."""
    sizes = {"widths": (2, 4, 8), "depths": (1, 1, 1), "heads": 2}
    method = methods.convmae(
        models.convmae_encoder(**sizes, strides=strides),
        models.mae_decoder(
            width=8, depth=1, heads=2, patch_size=4, channels=2, class_token=False
        ),
        patch_size=PATCH,
        normalize_target=False,
    )
    one = jax.device_put(batch(rng))
    hidden = one["mask"].reshape(3, 2, 2)
    fine = jnp.repeat(jnp.repeat(hidden, PATCH, 1), PATCH, 2)[..., None]
    (image,) = one["views"]
    other = {**one, "views": (image + 7.0 * fine,)}

    @jax.jit
    def painted(key, *batches):
        params, extra = method.init(key, batches[0])

        def loss(params):
            ssl = method.objectives["ssl"]
            return ssl.loss(params, extra, batches[0], key=key, step=0)[0]

        shown = [method.outputs["pictures"](params, extra, b, key=key) for b in batches]
        return *shown, jax.grad(loss)(params)["encoder"]

    first, second, slopes = painted(jax.random.key(0), one, other)
    where = np.asarray(fine[..., 0] == 1)
    np.testing.assert_array_equal(first["painted"][where], second["painted"][where])
    assert np.abs(first["image"] - second["image"]).max() > 1
    for fused in ("fuse1", "fuse2"):
        assert np.abs(slopes[fused]["kernel"]).max() > 0


def test_a_mask_of_another_grid_is_told_before_the_first_step(rng):
    method = methods.convmae(*nets(), patch_size=2)
    one = jax.device_put(batch(rng))
    with pytest.raises(ValueError, match="give both the same patch_size"):
        jax.eval_shape(method.init, jax.random.key(0), one)
