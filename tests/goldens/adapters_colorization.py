"""Adapters from stored cases to public sslax functions: losses of colorization."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import augment, losses

CONTRASTIVE: dict = {}


def channels_last(array):
    """NCHW as NHWC."""
    return jnp.moveaxis(jnp.asarray(array), 1, -1)


def soft_encode(arrays, parameters):
    colours = channels_last(arrays["in/ab"])
    out = {}
    for k in parameters["neighbours"]:
        code = losses.soft_encode(
            colours, augment.ab_centres(), neighbours=k, sigma=parameters["sigma"]
        )
        weights, indices = jax.lax.top_k(code, k)
        out[f"out/weights_k{k}"] = jnp.moveaxis(weights, -1, 1)
        out[f"out/indices_k{k}"] = jnp.moveaxis(indices, -1, 1)
    return out


def class_weights(arrays, parameters):
    prior, alpha = jax.device_put(arrays["in/prior"]), parameters["alpha"]

    def weights(uniform):
        return losses.rebalancing_weights(prior, uniform=float(uniform), alpha=alpha)

    own = parameters["lambda_"]
    return {
        f"out/weights_lambda{own}": weights(own),
        # The two agree for a prior without zeros.
        "out/weights_lambda{}_paper_uniform_all_bins": weights,
        "out/weights_lambda{}": weights,
    }


def colorization_loss(arrays, parameters):
    code = losses.soft_encode(
        channels_last(arrays["in/ab"]),
        augment.ab_centres(),
        neighbours=parameters["neighbours"],
        sigma=parameters["sigma"],
    )
    weights = losses.rebalancing_weights(
        augment.ab_prior(), uniform=parameters["lambda_"]
    )
    pixels = losses.pixel_weights(code, weights)
    logits = channels_last(arrays["in/logits"])
    batch = logits.shape[0]

    def value(logits, rescale_gradient=False):
        options = {"rescale_gradient": rescale_gradient}
        return losses.colorization(logits, code, pixels, **options)

    def entropy(pixel_logits, pixel_code):
        one = (1, 1, 1, pixel_logits.shape[0])
        return losses.colorization(
            pixel_logits.reshape(one), pixel_code.reshape(one), jnp.ones((1, 1, 1))
        )

    loss, grad = jax.value_and_grad(value)(logits)
    released, released_grad = jax.value_and_grad(value)(logits, True)
    np.testing.assert_allclose(released_grad, grad, rtol=1e-6)
    per_pixel = jax.vmap(jax.vmap(jax.vmap(entropy)))(logits, code)
    return {
        "out/pixel_weights": pixels,
        "out/cross_entropy": per_pixel,
        "out/loss_weighted_sum": loss * batch,
        "out/loss_per_image": loss,
        "out/loss_unweighted_per_image": released,
        "grad/logits": jnp.moveaxis(grad, -1, 1),
    }


def annealed_mean(arrays, parameters):
    logits = channels_last(arrays["in/logits"])

    def decoded(temperature):
        mean = losses.annealed_mean(
            logits, augment.ab_centres(), temperature=temperature
        )
        return jnp.moveaxis(mean, -1, 1)

    paper, scale = parameters["T"], parameters["caffe_scale"]
    return {
        f"out/ab_T{str(paper).replace('.', '')}": decoded(paper),
        "out/ab_T1": decoded(1.0),
        "out/ab_mode": decoded(1e-12),
        f"out/ab_scale{str(scale).replace('.', '')}": decoded(1 / scale),
    }


VISION = {
    "pretext/colorization_annealed_mean": annealed_mean,
    "pretext/colorization_class_weights": class_weights,
    "pretext/colorization_loss": colorization_loss,
    "pretext/colorization_soft_encode": soft_encode,
}

NOT_READ = {
    "pretext/colorization_class_weights": {"prior": "it is given"},
}
