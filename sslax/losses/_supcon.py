"""Contrast with labels: all views of a class are positives."""

from __future__ import annotations

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sslax.checks import check_choice, check_positive, check_rank, check_shape
from sslax.losses._cosine import directions
from sslax.losses._numerics import dot, logsumexp_but, over_rows


def supcon(
    features: Float[Array, "b v d"],
    labels: Int[Array, " b"],
    *,
    temperature: ArrayLike,
    anchors: str = "all",
    normalize: bool = True,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Supervised contrast: the mean over an anchor's positives, outside the log.

    loss = mean_i -mean_{p in P(i)} log( e^{s_ip/t} / sum_{a != i} e^{s_ia/t} )

    P(i) are the other views of images with the anchor's label. With one label per image
    and two views it is `nt_xent`.

    Args:
      features: projections of v views per image, any length (normalised here).
      labels: the class of each image, or its number for no supervision.
      temperature: above 0; the paper uses 0.1.
      anchors: "all" views are anchors, or the "first" view of each image.
      normalize: False takes the vectors as they are, for unit vectors.
      block_size: anchors in a block, see `nt_xent`.

    Returns:
      A scalar. An anchor without positives counts as 0.

    Raises:
      ValueError: if the shapes do not fit, if there are fewer than two vectors, if the
        temperature is not positive, or if `anchors` is another word.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(4).reshape(2, 2, 4)
      >>> round(float(supcon(z, jnp.array([0, 1]), temperature=1.0)), 4)
      1.0986

    Note:
      The official code multiplies the paper's loss by temperature / base_temperature
      (0.07 by default); this is the paper's L_out, without a factor.

    References:
      Khosla et al., "Supervised Contrastive Learning", 2020, arXiv:2004.11362,
      equation 2.
    """
    check_rank(3, features=features)
    check_shape(features.shape[:1], labels=labels)
    check_positive(temperature=temperature)
    images, views, width = features.shape
    if images * views < 2:
        raise ValueError(f"features need two or more vectors, got {features.shape}")
    check_choice(("all", "first"), anchors=anchors)
    (features,) = directions(features, normalize=normalize)
    candidates = features.reshape((images * views, width))
    candidate_labels = jnp.repeat(labels, views)
    step = 1 if anchors == "all" else views

    def rows(row, index):
        anchor, label = row
        logits = dot(anchor, candidates) / temperature
        own = (index * step)[:, None] == jnp.arange(images * views)[None, :]
        positive = (label[:, None] == candidate_labels[None, :]) & ~own
        count = jnp.sum(positive, axis=1)
        mean = jnp.sum(jnp.where(positive, logits, 0.0), axis=1) / jnp.maximum(count, 1)
        return jnp.where(count > 0, logsumexp_but(logits, own) - mean, 0.0)

    row = candidates[::step], candidate_labels[::step]
    return jnp.mean(over_rows(rows, row, block_size=block_size))
