"""dVAE: a discrete autoencoder whose words are a tokenizer of images."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import losses, memory
from sslax.arrays import value_at
from sslax.checks import check_not_negative, check_positive
from sslax.core import Aux, Method, Net, Objective
from sslax.methods._teacher import of_teacher
from sslax.methods._words import check_painter, decoded, scores
from sslax.nets import chain, views_of
from sslax.schedules import Schedule

__all__ = ["dvae"]


def dvae(
    encoder: Net,
    decoder: Net,
    *,
    temperature: Schedule | float = 1.0,
    kl_weight: Schedule | float = 0.0,
    straight_through: bool = False,
    momentum: Schedule | float = 0.999,
) -> Method:
    """Writes an image in words of a vocabulary and paints it again from them.

    Words are drawn by the Gumbel-softmax relaxation, whose temperature falls until a
    draw is nearly one word. The loss is the negative evidence lower bound of an image,
    with a weight on the divergence of the words from the uniform distribution, divided
    by the number of its pixel values.

    Args:
      encoder: `losses.map_pixels` of images `[b h w c]` to scores of words
        `[b i j words]`, as `models.dalle_encoder` or `models.dvae_encoder`.
      decoder: weights of words to `[b h w 2c]`, means and log scales of the
        logit-Laplace distribution (DALL-E's); or to `[b h w c]`, mapped pixels, which
        are held to the image by the squared error (the simple form in BEiT's code).
      temperature: of the relaxation, above 0, a number or a schedule; DALL-E's is
        `schedules.cosine(start=1.0, end=1 / 16, steps=150_000)`, the simple form's 0.9.
      kl_weight: of the divergence, a number or a schedule; DALL-E's is
        `schedules.ramp(start=0.0, end=6.6, steps=5_000)`, the simple form's 0.
      straight_through: paint from the one word of each draw, with the gradient of the
        relaxed one.
      momentum: of the average of the weights that is evaluated and that a tokenizer is
        taken from, `extra["teacher"]`; 0 keeps no average.

    Returns:
      A method with groups "encoder" and "decoder", for batches of one view with pixels
      in [0, 1]: its config normalises nothing. The features are how much of an image
      each word has, the map is its scores. It logs the two terms of the loss, and how
      many words are in use: the exponential of the entropy of their mean.

    Raises:
      ValueError: if the temperature is not positive, or the weight or the momentum are
        out of range; and, when it is called, if the decoder paints another size or
        number of channels.

    Note:
      There is no released code for the training of DALL-E's tokenizer; the paper is
      followed, where dividing by the pixel values turns the weight of the mean
      divergence into 6.6 / 192. The simple form in BEiT's code reads pixels in [-1, 1],
      here they are mapped alike for both; its divergence has weight 0 there.

    Example:
      >>> from sslax import models
      >>> method = dvae(
      ...     models.dvae_encoder(depth=2, words=128),
      ...     models.dvae_decoder(depth=2, code_dim=64, channels=6),
      ... )

    References:
      Ramesh et al., Zero-Shot Text-to-Image Generation, 2021, arXiv:2102.12092,
      equation 1, section 2.1 and appendix A. Bao et al., BEiT: BERT Pre-Training of
      Image Transformers, 2021, arXiv:2106.08254, section 2.1.
    """
    check_positive(temperature=value_at(temperature, 0))
    check_not_negative(kl_weight=value_at(kl_weight, 0))

    net = chain(encoder=encoder, decoder=decoder)

    def init(key, batch):
        (image,) = views_of(batch, 1)
        pixels = losses.map_pixels(image)
        params, stats = net.init(key, pixels)
        made, _ = jax.eval_shape(net.apply, params, stats, pixels)
        check_painter(made["decoder"], image)
        return params, {"stats": stats, "teacher": params, "teacher_stats": stats}

    def loss(params, extra, batch, *, key, step):
        noise_key, encoder_key, decoder_key = jax.random.split(key, 3)
        (image,), stats = views_of(batch, 1), extra["stats"]
        target = losses.map_pixels(image)
        logits, enc_stats = encoder.apply(
            params["encoder"], stats["encoder"], target, train=True, key=encoder_key
        )
        words = losses.gumbel_softmax(
            logits,
            jax.random.gumbel(noise_key, logits.shape, logits.dtype),
            temperature=value_at(temperature, step),
            straight_through=straight_through,
        )
        painted, dec_stats = decoder.apply(
            params["decoder"], stats["decoder"], words, train=True, key=decoder_key
        )
        error, kl = _distance(target, painted), losses.uniform_kl(logits).mean()
        places = logits[0, ..., 0].size / target[0].size  # to a pixel value
        value = error + value_at(kl_weight, step) * places * kl
        logs = {"reconstruction": error, "kl": kl, "words": _in_use(logits)}
        stats = {"encoder": enc_stats, "decoder": dec_stats}
        return value, Aux({**extra, "stats": stats, "teacher_stats": stats}, logs)

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs=of_teacher(_readings(encoder, decoder)),
        after_update=memory.follows(("encoder", "decoder"), momentum=momentum),
    )


def _distance(target, painted):
    """Of mapped pixels, a mean over all values: by likelihood, or squared."""
    channels = target.shape[-1]
    if painted.shape[-1] == channels:
        return jnp.mean(jnp.square(painted - target))
    mean, log_scale = painted[..., :channels], painted[..., channels:]
    return losses.logit_laplace(target, mean, log_scale).mean()


def _in_use(logits):
    share = jax.nn.softmax(logits).mean(axis=(0, 1, 2))
    return jnp.exp(-jnp.sum(jax.scipy.special.xlogy(share, share)))


def _readings(encoder, decoder):
    """Outputs in inference mode: the words of the first view, and what they paint."""

    def by_place(params, extra, batch, *, key):
        del key
        stats, image = extra["stats"]["encoder"], batch["views"][0]
        return scores(encoder, params["encoder"], stats, image)

    def features(params, extra, batch, *, key):
        logits = by_place(params, extra, batch, key=key)
        return jax.nn.softmax(logits).mean(axis=(1, 2))

    def pictures(params, extra, batch, *, key):
        logits, image = by_place(params, extra, batch, key=key), batch["views"][0]
        painted = decoded(
            decoder,
            params["decoder"],
            extra["stats"]["decoder"],
            logits.argmax(axis=-1),
            words=logits.shape[-1],
            channels=image.shape[-1],
        )
        return {"image": image, "painted": painted}

    return {"features": features, "map": by_place, "pictures": pictures}
