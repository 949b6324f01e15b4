"""What methods that look at the tiles of an image one by one share."""

from __future__ import annotations

import jax
from jaxtyping import Array, Float

from sslax.checks import check_rank
from sslax.core import Batch, Net, Output
from sslax.methods._inner import inner_output
from sslax.nets import chain, features_of, views_of

__all__ = ["by_tile", "joined", "tile_features", "tiles_of"]


def tiles_of(batch: Batch, count: int) -> Float[Array, "b n p q c"]:
    """The tiles of every image, the only view of a batch.

    Args:
      batch: a batch that `views.jigsaw` or `views.tiled` has made.
      count: how many tiles an image has.

    Returns:
      The tiles `[b n p q c]`.

    Raises:
      ValueError: for several views, one that is no list of tiles, or another number.
    """
    (tiles,) = views_of(batch, 1)
    check_rank(5, tiles=tiles)
    if tiles.shape[1] != count:
        raise ValueError(
            f"the method takes {count} tiles of an image; got {tiles.shape[1]}"
        )
    return tiles


def by_tile(net: Net) -> Net:
    """A net over the tiles of images, each alone.

    Args:
      net: tiles or codes [n ...] to one or several arrays [n ...].

    Returns:
      A net of `[b n ...]` with arrays `[b n ...]`.
    """

    def flat(tiles):
        return tiles.reshape(-1, *tiles.shape[2:])

    def init(key, tiles):
        return net.init(key, flat(tiles))

    def apply(params, stats, tiles, **options):
        out, stats = net.apply(params, stats, flat(tiles), **options)
        shape = tiles.shape[:2]
        return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), out), stats

    return Net(init, apply, net.outputs)


def joined(net: Net) -> Net:
    """A net on all codes of an image, one after the other in one vector.

    Args:
      net: vectors [b n*d] to one array.

    Returns:
      A net of `[b n d]`.
    """

    def flat(codes):
        return codes.reshape(len(codes), -1)

    def init(key, codes):
        return net.init(key, flat(codes))

    def apply(params, stats, codes, **options):
        return net.apply(params, stats, flat(codes), **options)

    return Net(init, apply)


def tile_features(encoder: Net, features: str | None) -> Output:
    """What is evaluated of tiles, whose encoder is the group "encoder".

    Args:
      encoder: tiles [n p q c] to codes [n d], or several outputs by name.
      features: which of them; None is the first.

    Returns:
      The features: of codes [d] their mean over the tiles of an image, of maps [h w d]
      the mean of each tile, one after the other.

    Raises:
      ValueError: if the encoder does not give them.
    """
    net = chain(encoder=by_tile(encoder))
    read = features_of(net, "encoder", inner_output(encoder, features))

    def gathered(params, extra, batch, *, key):
        found = read(params, extra, batch, key=key)
        if found.ndim == 3:
            return found.mean(axis=1)
        return found.mean(axis=(2, 3)).reshape(len(found), -1)

    return gathered
