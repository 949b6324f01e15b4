"""NT-Xent corrected for false negatives, with and without a taste for hard ones."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.checks import check_below_one, check_not_negative
from sslax.losses._nt_xent import check_pair, positive_and_negatives
from sslax.losses._numerics import reduced


def debiased_nt_xent(
    z1: Float[Array, "b d"],
    z2: Float[Array, "b d"],
    *,
    temperature: ArrayLike,
    tau_plus: float | int,
    normalize: bool = True,
    reduction: str = "mean",
    block_size: int | None = None,
) -> Float[Array, "*out"]:
    """NT-Xent whose negatives are corrected for those of the anchor's own class.

    loss = mean_i -log( p / (p + G) ),
    G = max( (sum_n e_n - M tau p) / (1 - tau), M e^{-1/t} )

    Here p = e^{s_ip/t}, e_n = e^{s_in/t} over the M = 2b - 2 negatives, s the cosine,
    and tau the chance that a negative is of the same class. With `tau_plus=0` it is
    `nt_xent`; `hard_negative_nt_xent` adds weights to the negatives.

    Args:
      z1: projections of the first views, any length (they are normalised here).
      z2: projections of the second views, in the same order.
      temperature: above 0; the paper uses 0.5.
      tau_plus: class prior in [0, 1); the paper uses 0.1 on CIFAR-10.
      normalize: False takes the vectors as they are, for unit vectors.
      reduction: "mean", or "none" for one value per anchor `[2b]`, z1 first.
      block_size: anchors in a block, see `nt_xent`.

    Returns:
      A scalar, above 0 (or `[2b]`). Where G is at its floor, which is the smallest that
      it could truly be, the negatives get no gradient.

    Raises:
      ValueError: if shapes differ, if b < 2, if the temperature is not positive or if
        tau_plus is not in [0, 1).

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(4)
      >>> round(float(debiased_nt_xent(z, z, temperature=1.0, tau_plus=0.1)), 4)
      1.0246

    References:
      Chuang et al., "Debiased Contrastive Learning", 2020, arXiv:2007.00224,
      equations 7 and 8.
    """
    return hard_negative_nt_xent(
        z1,
        z2,
        temperature=temperature,
        tau_plus=tau_plus,
        beta=0.0,
        normalize=normalize,
        reduction=reduction,
        block_size=block_size,
    )


def hard_negative_nt_xent(
    z1: Float[Array, "b d"],
    z2: Float[Array, "b d"],
    *,
    temperature: ArrayLike,
    tau_plus: float | int,
    beta: ArrayLike,
    normalize: bool = True,
    reduction: str = "mean",
    block_size: int | None = None,
) -> Float[Array, "*out"]:
    """Debiased NT-Xent that weighs negatives by how close they are to the anchor.

    loss = mean_i -log( p / (p + G) ),
    G = max( (sum_n w_n e_n - M tau p) / (1 - tau), M e^{-1/t} ),
    w_n = e_n^beta / mean(e^beta)

    The weights have mean 1 over the M = 2b - 2 negatives and carry gradient. With
    `beta=0` it is `debiased_nt_xent`; with `tau_plus=0` as well, `nt_xent`.

    Args:
      z1: projections of the first views, any length (they are normalised here).
      z2: projections of the second views, in the same order.
      temperature: above 0; the paper uses 0.5.
      tau_plus: class prior in [0, 1); the paper uses 0.1.
      beta: concentration on hard negatives, 0 or more; the paper uses 1 on CIFAR-10.
        May be traced, where it follows a schedule.
      normalize: False takes the vectors as they are, for unit vectors.
      reduction: "mean", or "none" for one value per anchor `[2b]`, z1 first.
      block_size: anchors in a block, see `nt_xent`.

    Returns:
      A scalar, above 0 (or `[2b]`).

    Raises:
      ValueError: if shapes differ, if b < 2, if the temperature is not positive, if
        tau_plus is not in [0, 1) or if beta is known and negative.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(4)
      >>> value = hard_negative_nt_xent(z, z, temperature=1.0, tau_plus=0.1, beta=1.0)
      >>> round(float(value), 4)
      1.0246

    Note:
      Computed from log-sum-exps, so that no exponential overflows at small
      temperatures, where the official code gives nan in half precision.

    References:
      Robinson et al., "Contrastive Learning with Hard Negative Samples", 2020,
      arXiv:2010.04592, equations 4 and 5.
    """
    check_pair(z1, z2, temperature)
    check_below_one(tau_plus=tau_plus)
    check_not_negative(beta=beta)
    plain = not isinstance(beta, jax.core.Tracer) and beta == 0
    sharpness = (1.0,) if plain else (1.0 + beta, beta)
    positive, *sums = positive_and_negatives(
        z1,
        z2,
        temperature=temperature,
        normalize=normalize,
        block_size=block_size,
        sharpness=sharpness,
    )
    log_count = math.log(2.0 * z1.shape[0] - 2.0)
    weighted = sums[0] if plain else sums[0] - sums[1] + log_count
    if tau_plus > 0:
        weighted = _without_positives(weighted, positive, tau_plus, log_count)
        weighted = jnp.maximum(weighted, log_count - 1 / temperature)
    return reduced(jax.nn.softplus(weighted - positive), reduction)


def _without_positives(
    weighted: Array, positive: Array, tau_plus: float, log_count: float
) -> Array:
    """log( (e^weighted - M tau e^positive) / (1 - tau) ), -inf if not above 0."""
    excess = weighted - (positive + log_count + math.log(tau_plus))
    above = excess > 0
    log_rest = jnp.log(-jnp.expm1(-jnp.where(above, excess, 1.0)))
    corrected = weighted + log_rest - math.log1p(-tau_plus)
    return jnp.where(above, corrected, -jnp.inf)
