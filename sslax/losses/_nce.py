"""Against a memory bank: binary NCE and the softmax over instances."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32, one_float_type, whole
from sslax.checks import check_positive, check_rank, check_same_features
from sslax.losses._numerics import dot, logsumexp_but, reduced

# All products with a bank of n rows are n numbers a vector, k gathered rows are k d.
_MUCH_LARGER = 4


def nce(
    scores: Float[Array, "*b n"],
    *,
    log_noise: ArrayLike,
    log_constant: ArrayLike = 0.0,
    epsilon: float | int = 0.0,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """Noise-contrastive estimation: data or noise, decided for every sample alone.

    loss = mean_i ( -log h_i0 - sum_{k >= 1} log(1 - h_ik) ),
    h = P / (P + c), P = e^s / Z, c = K p_n

    Unlike `info_nce_logits`, which ranks the samples of a row, it needs the normaliser
    Z; in return it estimates a density. The criterion of InstDisc and CMC is this with
    scores of a bank (`bank_scores`), uniform noise, `log_noise = log(K / N)` for K
    noise samples of N images, and `epsilon=1e-7`.

    Args:
      scores: s, the unnormalised log-densities: data at index 0, then noise samples.
      log_noise: log of K times the noise density; a number, or one per score.
      log_constant: log Z, a number or an array without gradient
        (`memory.log_constant`), or a learned one.
      epsilon: added to both denominators, as InstDisc does; 0 is the theory.
      reduction: "mean" over rows, or "none" for one value per row.

    Returns:
      A scalar, at least 0 (or values of shape `*b`): the sum over noise samples, the
      mean over data.

    Raises:
      ValueError: if there is no noise sample or if epsilon is negative.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(nce(jnp.zeros((1, 3)), log_noise=0.0)), 4)
      2.0794

    References:
      Gutmann and Hyvarinen, "Noise-Contrastive Estimation of Unnormalized Statistical
      Models", 2012, JMLR 13:307-361, equation 8.
      Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination", 2018, arXiv:1805.01978, equation 7.
    """
    if scores.ndim == 0 or scores.shape[-1] < 2:
        raise ValueError(f"scores need data and noise, got shape {scores.shape}")
    if epsilon < 0:
        raise ValueError(f"epsilon must be 0 or more, got {epsilon}")
    scores = at_least_float32(scores)
    log_noise = jnp.broadcast_to(jnp.asarray(log_noise, scores.dtype), scores.shape)
    excess = jnp.log1p(epsilon * jnp.exp(-log_noise))
    odds = scores - log_constant - log_noise - excess
    data = jax.nn.softplus(-odds[..., 0])
    noise = jax.nn.softplus(odds[..., 1:]) + excess[..., 1:]
    return reduced(data + jnp.sum(noise, axis=-1), reduction)


def bank_scores(
    features: Float[Array, "b d"],
    bank: Float[Array, "n d"],
    index: Int[Array, "b k"],
    *,
    temperature: ArrayLike,
) -> Float[Array, "b k"]:
    """Scores of vectors against chosen entries of a bank.

    value_ik = x_i . bank[index_ik] / t

    What `nce` and `info_nce_logits` take, where the entry of the own image stands first
    in `index`; see `cmc` for several views.

    Args:
      features: unit vectors; they are not normalised here.
      bank: unit vectors, one per image of the data set.
      index: rows of the bank for each vector, in [0, n); the own image first.
      temperature: above 0; InstDisc uses 0.07.

    Returns:
      Scores `[b k]`.

    Raises:
      ValueError: if the shapes do not fit or if the temperature is not positive.

    Note:
      Where rows of the bank lie on several devices, all products are made where the
      rows are and `[b k]` of them are sent, rather than `[b k d]` of rows; unless the
      bank is much larger than what is asked for.

    Example:
      >>> import jax.numpy as jnp
      >>> index = jnp.array([[0, 1], [1, 2]])
      >>> bank_scores(jnp.eye(3)[:2], jnp.eye(3), index, temperature=0.5).tolist()
      [[2.0, 0.0], [2.0, 0.0]]

    References:
      Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination", 2018, arXiv:1805.01978, equation 3.
    """
    check_rank(2, features=features, bank=bank, index=index)
    check_same_features(features=features, bank=bank)
    check_positive(temperature=temperature)
    if index.shape[0] != features.shape[0]:
        raise ValueError(
            f"index {index.shape} must have one row per vector {features.shape}"
        )
    features, bank = one_float_type(features, bank)
    features, index = whole(features), whole(index)
    if bank.shape[0] <= _MUCH_LARGER * index.shape[1] * bank.shape[1]:
        return jnp.take_along_axis(dot(features, bank), index, axis=1) / temperature
    # Gathered rows times one vector each: batched, in full float32 on every backend.
    scores = jnp.einsum(
        "bd,bkd->bk", features, bank[index], precision=jax.lax.Precision.HIGHEST
    )
    return scores / temperature


def nonparametric_softmax(
    features: Float[Array, "b d"],
    bank: Float[Array, "n d"],
    index: Int[Array, " b"],
    *,
    temperature: ArrayLike,
    size: int | None = None,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """InstDisc's softmax over the whole bank: every image is a class of its own.

    loss = mean_i -log( e^{x_i . m_i/t} / sum_j e^{x_i . m_j/t} ), m = bank

    What `nce` over `bank_scores` approximates with samples.

    Args:
      features: unit vectors; they are not normalised here.
      bank: unit vectors, one per image of the data set; without gradient.
      index: the image of each vector, in [0, n).
      temperature: above 0; the paper uses 0.07.
      size: how many rows are of images, where others fill the bank up; None is all.
      reduction: "mean", or "none" for one value per vector `[b]`.

    Returns:
      A scalar, at least 0 (or `[b]`).

    Raises:
      ValueError: if the shapes do not fit, if the bank has fewer than two entries or
        if the temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> index = jnp.arange(4)
      >>> value = nonparametric_softmax(jnp.eye(4), jnp.eye(4), index, temperature=1.0)
      >>> round(float(value), 4)
      0.7437

    References:
      Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination", 2018, arXiv:1805.01978, equation 2.
    """
    check_rank(2, features=features, bank=bank)
    check_same_features(features=features, bank=bank)
    check_positive(temperature=temperature)
    if index.shape != features.shape[:1] or bank.shape[0] < 2:
        raise ValueError(
            f"index {index.shape} must have one entry per vector {features.shape}, "
            f"and the bank {bank.shape} two rows or more"
        )
    features, bank = one_float_type(features, bank)
    logits = dot(whole(features), bank) / temperature
    row = jnp.arange(bank.shape[0])[None, :]
    own, empty = index[:, None] == row, row >= (bank.shape[0] if size is None else size)
    positive = jnp.sum(jnp.where(own, logits, 0.0), axis=1)
    odds = logsumexp_but(logits, own | empty) - positive
    return reduced(jax.nn.softplus(odds), reduction)
