"""Contrast between the patches of an image and those of its translation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.checks import check_positive, check_rank, check_same_shape
from sslax.losses._cosine import directions
from sslax.losses._numerics import inner, logsumexp_but, reduced, similarity


def patch_nce(
    query: Float[Array, "b p d"],
    key: Float[Array, "b p d"],
    *,
    temperature: ArrayLike = 0.07,
    own_score: ArrayLike | None = None,
    normalize: bool = True,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """CUT's PatchNCE: a patch of the output finds the input patch at its place.

    loss = mean_{b,p} -log( e^{q_p.k_p/t} / sum_r e^{q_p.k_r/t} )

    The negatives are the other patches of the same image: `info_nce` within each image.
    For negatives from the whole batch fold it into one image, `[1 b*p d]`.

    Args:
      query: features of p patches of the generated images (normalised here).
      key: features of the patches of the inputs at the same places; the method stops
        their gradient.
      temperature: above 0; the paper uses 0.07.
      own_score: a score that stands for the own patch among the negatives. The official
        code has -10 there, e^{-10/t} more in the denominator, which is nothing at
        t = 0.07; None leaves the term out, as the paper.
      normalize: False takes the vectors as they are, for unit vectors.
      reduction: "mean", or "none" for one value per patch `[b p]`.

    Returns:
      A scalar, at least 0 (or `[b p]`).

    Raises:
      ValueError: if shapes differ, if p < 2 or if the temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> q = jnp.eye(4)[None]
      >>> round(float(patch_nce(q, q, temperature=1.0)), 4)
      0.7437

    References:
      Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", 2020,
      arXiv:2007.15651, equations 3 and 4.
    """
    check_rank(3, query=query, key=key)
    check_same_shape(query=query, key=key)
    check_positive(temperature=temperature)
    if query.shape[1] < 2:
        raise ValueError(f"query needs two patches or more, got {query.shape}")
    query, key = directions(query, key, normalize=normalize)
    logits = similarity(query, key) / temperature
    own = jnp.eye(query.shape[1], dtype=bool)[None]
    negatives = logsumexp_but(logits, own)
    if own_score is not None:
        negatives = jnp.logaddexp(negatives, own_score / temperature)
    positive = inner(query, key) / temperature
    return reduced(jax.nn.softplus(negatives - positive), reduction)
