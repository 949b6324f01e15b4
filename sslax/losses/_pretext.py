"""Pretext tasks with a loss of their own: counting and jigsaw clustering."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32, one_float_type, unit
from sslax.checks import (
    check_count,
    check_not_empty,
    check_positive,
    check_rank,
    check_same_shape,
    check_shape,
)
from sslax.losses._supcon import supcon


def counting(
    whole: Float[Array, "b d"],
    other: Float[Array, "*as_whole"],
    tiles: Float[Array, "_ t _"],
    *,
    margin: float = 10.0,
) -> Float[Array, ""]:
    """Learning to Count: the counts of an image are the sum of those of its tiles.

    loss = mean_b ( ||c_b - s_b||^2 + max(0, M - ||o_b - s_b||^2) ),
    s_b = sum_t tiles_bt

    The second term keeps all counts from being zero: the tiles of one image must not
    add up to the counts of another.

    Args:
      whole: c, `[b d]`: counts of the downsampled image, at least 0 (after a ReLU).
      other: o, `[b d]`: counts of another downsampled image.
      tiles: `[b t d]`: counts of the t = 4 tiles of the first image.
      margin: M, at least 0; 0 leaves the first term only.

    Returns:
      A scalar, at least 0. Counts that are all zero give exactly the margin.

    Raises:
      ValueError: if the shapes do not fit or the margin is negative.

    Example:
      >>> import jax.numpy as jnp
      >>> tiles = jnp.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
      >>> whole, other = jnp.array([[2.0, 1.0]]), jnp.array([[0.0, 0.0]])
      >>> float(counting(whole, other, tiles))
      5.0

    Note:
      The squares are summed over the counts before the hinge, once per pair, as in the
      paper. A public port takes square, hinge and mean coordinate by coordinate; its
      first term is smaller by the factor d, and it does not train as the paper says.

    References:
      Noroozi et al., "Representation Learning by Learning to Count", 2017,
      arXiv:1708.06734, equation 5.
    """
    check_rank(2, whole=whole)
    check_rank(3, tiles=tiles)
    check_same_shape(whole=whole, other=other)
    check_shape((whole.shape[0], tiles.shape[1], whole.shape[1]), tiles=tiles)
    check_not_empty(whole=whole, tiles=tiles)
    if margin < 0:
        raise ValueError(f"margin must be at least 0, got {margin}")
    whole, other, tiles = one_float_type(whole, other, tiles)
    total = jnp.sum(tiles, axis=1)
    same = jnp.sum(jnp.square(whole - total), axis=-1)
    different = jnp.sum(jnp.square(other - total), axis=-1)
    return jnp.mean(same + jnp.maximum(0, margin - different))


def jigsaw_clustering_labels(
    permutation: Int[Array, " n"], *, parts: int = 4
) -> tuple[Int[Array, " n"], Int[Array, " n"]]:
    """The image and the place that each shuffled patch of a batch came from.

    cluster_k = permutation_k mod b, location_k = permutation_k div b, b = n / parts

    Args:
      permutation: `[n]`: place k of the montages holds patch permutation_k of the list
        that has part 0 of all images first, then part 1 of all images, and so on.
      parts: patches per image.

    Returns:
      (cluster, location), `[n]` each: the number of the image, and of the part.

    Raises:
      ValueError: if there is no patch or the parts do not divide their number.

    Example:
      >>> import jax.numpy as jnp
      >>> permutation = jnp.array([5, 0, 2, 7, 1, 3, 4, 6])
      >>> cluster, location = jigsaw_clustering_labels(permutation)
      >>> cluster.tolist(), location.tolist()
      ([1, 0, 0, 1, 1, 1, 0, 0], [2, 0, 1, 3, 0, 1, 2, 3])

    References:
      Chen et al., "Jigsaw Clustering for Unsupervised Visual Representation Learning",
      2021, arXiv:2104.00323, section 3.
    """
    check_rank(1, permutation=permutation)
    check_not_empty(permutation=permutation)
    if parts < 1 or permutation.shape[0] % parts:
        raise ValueError(
            f"{permutation.shape[0]} patches are not a multiple of parts = {parts}"
        )
    images = permutation.shape[0] // parts
    return permutation % images, permutation // images


def supclu(
    embeddings: Float[Array, "n d"],
    labels: Array,
    *,
    temperature: ArrayLike = 0.3,
    base_temperature: float = 0.07,
) -> Float[Array, ""]:
    """JigClu's clustering: a patch finds the other patches of its image.

    loss = (t / t_0) mean_i mean_{p in P(i)} h_ip,
    h_ip = -log( e^{z_i.z_p/t} / sum_{a != i} e^{z_i.z_a/t} )

    P(i) are the other patches with the label of patch i.

    Args:
      embeddings: z, `[n d]`: unit vectors; they are taken as they are.
      labels: `[n]`: the number of the image of each patch.
      temperature: t, above 0; the paper uses 0.3.
      base_temperature: t_0, above 0.

    Returns:
      A scalar. A patch without partners counts as 0.

    Raises:
      ValueError: if the shapes do not fit, there are fewer than two patches, or a
        temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> z, labels = jnp.eye(4), jnp.array([0, 0, 1, 1])
      >>> round(float(supclu(z, labels, temperature=0.07)), 4)
      1.0986

    Note:
      The factor t / t_0 comes from the official code and is followed here: 4.29 at
      t = 0.3, which sets the balance with the location loss. With base_temperature =
      temperature it is gone. `supcon` is the same loss without it, and normalises.

    References:
      Chen et al., "Jigsaw Clustering for Unsupervised Visual Representation Learning",
      2021, arXiv:2104.00323, equation 1.
    """
    check_rank(2, embeddings=embeddings)
    check_count(2, embeddings=embeddings)
    check_shape(embeddings.shape[:1], labels=labels)
    check_positive(base_temperature=base_temperature)
    views = embeddings[:, None]
    value = supcon(views, labels, temperature=temperature, normalize=False)
    return temperature / base_temperature * value


def jigsaw_clustering(
    embeddings: Float[Array, "n d"],
    location_logits: Float[Array, "_ parts"],
    permutation: Int[Array, " _"],
    *,
    temperature: ArrayLike = 0.3,
    cluster_weight: float = 1.0,
    location_weight: float = 1.0,
) -> Float[Array, ""]:
    """JigClu: group the patches of the montages by image, and tell their places.

    loss = w_1 supclu(z / ||z||, cluster) - w_2 mean_i log softmax(y_i)[location_i]

    Args:
      embeddings: z, `[n d]`: one per patch of the montages, any length.
      location_logits: y, `[n parts]`: scores of the parts of an image.
      permutation: `[n]`: how the patches were shuffled, see `jigsaw_clustering_labels`.
      temperature: above 0, of the clustering.
      cluster_weight: w_1.
      location_weight: w_2.

    Returns:
      A scalar.

    Raises:
      ValueError: if the shapes do not fit or a temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.repeat(jnp.eye(2), 2, axis=0)
      >>> order = jnp.array([0, 2, 1, 3])
      >>> y = 20 * jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
      >>> round(float(jigsaw_clustering(z, y, order, temperature=0.07)), 4)
      0.0

    References:
      Chen et al., "Jigsaw Clustering for Unsupervised Visual Representation Learning",
      2021, arXiv:2104.00323, equations 1 to 3.
    """
    check_rank(2, embeddings=embeddings, location_logits=location_logits)
    parts = location_logits.shape[1]
    check_shape((embeddings.shape[0], parts), location_logits=location_logits)
    check_shape(embeddings.shape[:1], permutation=permutation)
    check_not_empty(location_logits=location_logits)
    cluster, location = jigsaw_clustering_labels(permutation, parts=parts)
    logits = at_least_float32(location_logits)
    log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), location[:, None], axis=1)
    clustering = supclu(unit(embeddings), cluster, temperature=temperature)
    return cluster_weight * clustering - location_weight * jnp.mean(log_p)
