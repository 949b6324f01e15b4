"""Directions: unit vectors, and the losses of methods without negatives."""

from __future__ import annotations

from jaxtyping import Array, Float

from sslax.arrays import one_float_type, unit
from sslax.checks import check_same_shape
from sslax.losses._numerics import inner, reduced


def directions(*arrays: Array, normalize: bool) -> list[Array]:
    """The arrays as unit vectors, or as they are, in at least float32."""
    return [unit(x) for x in arrays] if normalize else one_float_type(*arrays)


def cosine_regression(
    prediction: Float[Array, "*b d"],
    target: Float[Array, "*b d"],
    *,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """BYOL's regression of directions: `2 - 2 cos`, mean over the batch.

    loss = mean_i || p_i/||p_i|| - t_i/||t_i|| ||^2

    One direction only: BYOL adds the loss with the two views exchanged. The squared
    distance keeps its digits where the vectors nearly agree, `2 - 2 cos` would not.

    Args:
      prediction: predictions of the student, any length.
      target: projections of the teacher; the method stops their gradient.
      reduction: "mean", or "none" for one value per vector.

    Returns:
      A scalar in [0, 4] (or values of shape `*b`). A zero vector counts as distance 1.

    Raises:
      ValueError: if the shapes differ.

    Example:
      >>> import jax.numpy as jnp
      >>> p = jnp.array([[1.0, 0.0], [0.0, 2.0]])
      >>> t = jnp.array([[5.0, 0.0], [3.0, 0.0]])
      >>> float(cosine_regression(p, t))
      1.0

    References:
      Grill et al., "Bootstrap Your Own Latent", 2020, arXiv:2006.07733, equation 2.
    """
    check_same_shape(prediction=prediction, target=target)
    difference = unit(prediction) - unit(target)
    return reduced(inner(difference, difference), reduction)


def negative_cosine(
    prediction: Float[Array, "*b d"],
    target: Float[Array, "*b d"],
    *,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """SimSiam's negative cosine similarity, mean over the batch.

    loss = -mean_i p_i . t_i / (||p_i|| ||t_i||)

    One direction only: SimSiam takes the mean of this and of the one with the two views
    exchanged. Its gradient is half of the gradient of `cosine_regression`.

    Args:
      prediction: outputs of the predictor, any length.
      target: projections of the other view; the method stops their gradient.
      reduction: "mean", or "none" for one value per vector.

    Returns:
      A scalar in [-1, 1] (or values of shape `*b`). A zero vector counts as cosine 0.

    Raises:
      ValueError: if the shapes differ.

    Example:
      >>> import jax.numpy as jnp
      >>> p = jnp.array([[1.0, 0.0], [0.0, 2.0]])
      >>> t = jnp.array([[5.0, 0.0], [3.0, 0.0]])
      >>> float(negative_cosine(p, t))
      -0.5

    References:
      Chen and He, "Exploring Simple Siamese Representation Learning", 2020,
      arXiv:2011.10566, equation 1.
    """
    check_same_shape(prediction=prediction, target=target)
    return reduced(-inner(unit(prediction), unit(target)), reduction)
