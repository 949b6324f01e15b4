"""RotNet: arXiv:1803.07728, equations 1 to 3."""

import jax
import jax.numpy as jnp
import numpy as np

from sslax import methods, models, views
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
