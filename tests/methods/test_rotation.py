"""RotNet: arXiv:1803.07728, equations 1 to 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models, views
from sslax.augment import to_float
from tests.methods import shortcuts
from tests.methods.following import cross_entropy, dense, flat, follow, linear


def loss(params, extra, batch):
    """All four turns of every image; the class is the number of quarter turns."""
    del extra
    values = []
    for turns in range(4):
        for image in batch["image"]:
            turned = np.rot90(image, turns)[None]  # counter-clockwise
            features = flat(turned, params["encoder"])
            logits = dense(features, params["classifier"]["linear1"])[0]
            values.append(cross_entropy(logits, turns))
    return np.mean(values)


def test_labels_of_three_steps_match_the_turns(rng):
    builder = views.rotated(view=lambda key, image, box: image)
    images = jnp.asarray(rng.normal(size=(3, 3, 4, 4, 2)))
    batches = [builder(jax.random.key(0), {"image": image}) for image in images]
    for step in follow(methods.rotation(linear(5)), batches, loss):
        logits = [
            dense(flat(view, step.before.params["encoder"]), head)
            for head in [step.before.params["classifier"]["linear1"]]
            for view in step.batch["views"]
        ]
        right = [np.argmax(rows, axis=1) == k for k, rows in enumerate(logits)]
        np.testing.assert_allclose(step.metrics["ssl/accuracy"], np.mean(right), 1e-6)


def test_an_inner_output_is_evaluated_and_the_pooled_one_classified():
    encoder = models.nin(output=("pooled", "conv2"))
    method = methods.rotation(encoder, features="conv2")
    batch = views.rotated(view=lambda key, image, box: image)(
        jax.random.key(0), {"image": jnp.zeros((2, 16, 16, 3))}
    )

    def read(key):
        params, extra = method.init(key, batch)
        features = method.outputs["features"](params, extra, batch, key=key)
        return features, params["classifier"]

    features, head = jax.eval_shape(read, jax.random.key(0))
    assert features.shape == (2, 4 * 4 * 192)
    assert head["linear1"]["kernel"].shape == (192, 4)


def test_features_that_the_encoder_does_not_give_are_refused():
    with pytest.raises(ValueError, match=r"'conv2' is no output .*make it with output"):
        methods.rotation(models.nin(), features="conv2")


@pytest.mark.parametrize(
    ("view", "told"),
    [(views.view(size=16), False), (lambda key, image, box: to_float(image), True)],
)
def test_black_corners_do_not_tell_the_turn(rng, view, told):
    """Noise with black around it: of a canvas that is turned with its picture."""
    image = np.zeros((256, 20, 20, 3), np.uint8)
    image[:, :16] = rng.integers(64, 256, (256, 16, 20, 3))
    box = jnp.tile(jnp.array([[0.0, 0.0, 16.0, 20.0]]), (256, 1))
    batch = {"image": jnp.asarray(image), "box": box}
    made = jax.jit(views.rotated(view=view))(jax.random.key(0), batch)["views"]
    cues = np.concatenate([np.mean(x, axis=-1) for x in made])
    right = shortcuts.accuracy(cues, np.repeat(np.arange(4), 256))
    assert right > 0.9 if told else abs(right - 0.25) < 0.08
