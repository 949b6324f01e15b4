"""Jigsaw puzzles: tell how the tiles of an image were shuffled."""

from __future__ import annotations

import math

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from sslax import augment
from sslax.checks import check_shape
from sslax.core import Aux, Batch, Method, Net, Objective, Output
from sslax.methods._inner import inner_output
from sslax.methods._tiles import by_tile, joined, tile_features, tiles_of
from sslax.nets import chain, features_of

__all__ = ["jigsaw"]


def jigsaw(
    encoder: Net,
    classifier: Net,
    *,
    projector: Net | None = None,
    tiles: int = 9,
    permutations: int | str = 100,
    criterion: str = "max_mean",
    features: str | None = None,
) -> Method:
    """Shuffle the tiles of an image and tell which permutation it was.

    Every tile passes alone through the same tower; only the classifier sees all codes,
    one after the other in the order of the puzzle. Chance is a loss of the logarithm of
    the number of permutations.

    Args:
      encoder: tiles [n p p c] to codes [n d]: the paper's is `models.caffenet(hidden=
        1024, stride=2, padding=0, groups=2, norm=None, dropout=0.5, init="gauss")`.
        Batch norm would tell a tile of the others of its image.
      classifier: all codes of an image [b tiles*d] to logits [b permutations]:
        `models.caffenet_head(dim=permutations, hidden=(4096,), norm=None, dropout=0.5,
        init="gauss")`.
      projector: what codes pass before they are put together, if anything.
      tiles: of an image, whose places are a square.
      permutations: how many there are, or a file of them, see `augment.puzzles`.
      criterion: how they are chosen. All three as those of the views.
      features: what is evaluated, where the encoder gives several outputs by name, such
        as "conv5"; the classifier reads the first of them. None is the first too.

    Returns:
      A method with groups "encoder", "classifier" and, if there is one, "projector",
      for batches of `views.jigsaw`, which are evaluated on `views.tiled`. The features
      of codes [d] are their mean over the tiles; those of maps [h w d] are the mean of
      each tile, one after the other. The map [b rows columns d] are the codes. The
      permutations are kept with the state.

    Raises:
      ValueError: for a number of tiles that is no square, permutations that there are
        not, a file of others, or features that the encoder does not give; when traced,
        for views without tiles, or a classifier of another number.

    Note:
      Tiles that lie in an order which the state does not have make the loss nan, which
      ends a run: views of one set of permutations and a state of another would teach
      nothing. Kolesnikov et al. combine tiles by their mean, followed here; the paper
      reads whole images with the tower.

    Example:
      >>> from sslax import models
      >>> tower = models.convnet(widths=(8, 16), norm="none")
      >>> method = jigsaw(tower, models.linear(dim=20), permutations=20)

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, equation 3 and algorithm 1.
    """
    if math.isqrt(tiles) ** 2 != tiles or tiles < 4:
        raise ValueError(
            f"tiles must be the square of a side of 2 or more, such as 4 or 9; got "
            f"{tiles}"
        )
    table = augment.puzzles(permutations, tiles=tiles, criterion=criterion)
    parts = {"encoder": by_tile(encoder)}
    if projector is not None:
        parts["projector"] = by_tile(projector)
    net = chain(**parts, classifier=joined(classifier))

    def init(key, batch):
        params, stats = net.init(key, tiles_of(batch, tiles))
        return params, {"stats": stats, "permutations": jnp.asarray(table)}

    def loss(params, extra, batch, *, key, step):
        del step
        pieces = tiles_of(batch, tiles)
        out, stats = net.apply(params, extra["stats"], pieces, train=True, key=key)
        logits = out["classifier"]
        check_shape((len(pieces), len(table)), logits=logits)
        puzzle, known = _numbers(batch, extra["permutations"])
        value = optax.softmax_cross_entropy_with_integer_labels(logits, puzzle)
        right = (logits.argmax(axis=-1) == puzzle).mean()
        value = jnp.where(known, value, jnp.nan).mean()
        return value, Aux({**extra, "stats": stats}, {"accuracy": right})

    codes = features_of(net, "encoder", inner_output(encoder, None))
    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs={
            "features": tile_features(encoder, features),
            "map": _placed(codes),
        },
    )


def _numbers(batch: Batch, table: Int[Array, "k n"]) -> tuple[Int[Array, " b"], Array]:
    """The row of the table that each image's order is, and whether it is one."""
    if "order" not in batch:
        raise ValueError(
            f"a puzzle needs batch['order'], which views.jigsaw gives; the batch has "
            f"{sorted(batch)}"
        )
    same = (batch["order"][:, None] == table[None]).all(axis=-1)
    return same.argmax(axis=1), same.any(axis=1)


def _placed(output: Output) -> Output:
    """Codes [b n d] in a square."""

    def placed(params, extra, batch, *, key):
        found = output(params, extra, batch, key=key)
        side = math.isqrt(found.shape[1])
        return found.reshape(len(found), side, side, -1)

    return placed
