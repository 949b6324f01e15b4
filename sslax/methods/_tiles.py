"""What methods that look at the tiles of an image one by one share."""

from __future__ import annotations

import jax
from jaxtyping import Array, Float

from sslax.checks import check_rank
from sslax.core import Batch, Net
from sslax.nets import views_of

__all__ = ["by_tile", "joined", "tiles_of"]


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
