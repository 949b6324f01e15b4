"""Jigsaw clustering: which image a part of a montage is from, and from where in it."""

from __future__ import annotations

import jax
import optax
from jaxtyping import Array, Float

from sslax import losses, models
from sslax.arrays import at_least_float32
from sslax.checks import check_not_negative, check_positive, check_shape
from sslax.core import Aux, Batch, Method, Net, compared
from sslax.nets import chain, readings, views_of

__all__ = ["jigsaw_clustering"]

# Parts of an image, and of a montage.
_PARTS = 4


def jigsaw_clustering(
    encoder: Net,
    *,
    hidden: int = 2048,
    dim: int = 128,
    temperature: float = 0.3,
    base_temperature: float = 0.07,
    cluster_weight: float = 1.0,
    location_weight: float = 1.0,
) -> Method:
    """Quarters of many images in each montage: group them by image and place them.

    The map of a montage is made 8 x 8 and its quarters are averaged: a vector for each
    part, of which one head makes an embedding and the other tells the place. The parts
    of all montages of the batch are compared.

    Args:
      encoder: montages to "pooled" features [b d] and their "map" [b h w d]:
        `models.resnet50(output=("pooled", "map"), zero_init=False)` is the paper's.
      hidden: width of the projector's hidden layer, the encoder's in the paper.
      dim: of the embeddings.
      temperature: of the clustering.
      base_temperature: the clustering counts temperature over this one times.
      cluster_weight: of the clustering loss.
      location_weight: of the location loss.

    Returns:
      A method with groups "encoder", "projector" and "location", for batches of
      `views.montage`; the features are those of a whole image. Logged are both losses
      and how often the place is told, "accuracy".

    Raises:
      ValueError: for a temperature that is not positive, or a negative weight; an
        encoder without a map; when traced, for another number of views, one image, or a
        map of one place.

    Note:
      The base temperature is the released code's: without it, at 1/4.3 of its weight,
      the clustering would count less than the paper's figures are made with.

    Example:
      >>> from sslax import models
      >>> encoder = models.convnet(output=("pooled", "map"))
      >>> method = jigsaw_clustering(encoder, hidden=64, dim=32)

    References:
      Chen et al., Jigsaw Clustering for Unsupervised Visual Representation Learning,
      2021, arXiv:2104.00323, equations 1 to 3.
    """
    check_positive(temperature=temperature, base_temperature=base_temperature)
    check_not_negative(cluster_weight=cluster_weight, location_weight=location_weight)
    net = chain(
        encoder=encoder,
        projector=_of_parts(models.mlp(hidden=hidden, dim=dim, norm=None, bias=True)),
        location=_of_parts(models.linear(dim=_PARTS)),
        reads={name: ("encoder", "map") for name in ("projector", "location")},
    )

    def init(key, batch):
        params, stats = net.init(key, _montages(batch))
        return params, {"stats": stats}

    def embed(params, extra, batch, *, key, step):
        del step
        images = _montages(batch)
        out, stats = net.apply(params, extra["stats"], images, train=True, key=key)
        return (out["projector"], out["location"]), {"stats": stats}

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, key, step
        z, logits = (x.reshape(-1, x.shape[-1]) for x in embeddings)
        image, place = losses.jigsaw_clustering_labels(batch["permute"].reshape(-1))
        clustering = losses.supclu(
            losses.unit(z),
            image,
            temperature=temperature,
            base_temperature=base_temperature,
        )
        told = optax.softmax_cross_entropy_with_integer_labels(logits, place).mean()
        metrics = {
            "clustering": cluster_weight * clustering,
            "location": location_weight * told,
        }
        accuracy = (logits.argmax(axis=-1) == place).mean()
        return sum(metrics.values()), Aux(extra, {**metrics, "accuracy": accuracy})

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=readings(net, "encoder", encoder),
    )


def _montages(batch: Batch) -> Array:
    """The only view of a batch, of which each montage has four parts."""
    (montages,) = views_of(batch, 1, least=2)
    if "permute" not in batch:
        raise ValueError(
            "jigsaw clustering needs batch['permute'], which views.montage gives; the "
            f"batch has {sorted(batch)}"
        )
    check_shape((len(montages), _PARTS), permute=batch["permute"])
    return montages


def _of_parts(net: Net) -> Net:
    """A net on the four parts of a map [b h w d], each an average: [b 4 ...]."""

    def parts(maps: Float[Array, "b h w d"]) -> Float[Array, "b 2 2 d"]:
        count, height, width, channels = maps.shape
        if min(height, width) < 2:
            raise ValueError(
                f"the map of a montage must have a place for each part; got {height} x "
                f"{width}: take larger montages or fewer strides"
            )
        # 7 x 7 has no halves: a column would be of both.
        shape = (count, 8, 8, channels)
        maps = jax.image.resize(maps, shape, "bilinear", antialias=False)
        return (
            at_least_float32(maps)
            .reshape(count, 2, 4, 2, 4, channels)
            .mean(axis=(2, 4))
        )

    def flat(maps):
        return parts(maps).reshape(-1, maps.shape[-1])

    def init(key, maps):
        return net.init(key, flat(maps))

    def apply(params, stats, maps, **options):
        out, stats = net.apply(params, stats, flat(maps), **options)
        return out.reshape(len(maps), _PARTS, -1), stats

    return Net(init, apply)
