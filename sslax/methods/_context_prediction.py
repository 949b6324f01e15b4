"""Context prediction: where does the second patch lie around the first?"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from sslax import models
from sslax.checks import check_rank, check_shape
from sslax.core import Aux, Batch, Method, Net, Objective
from sslax.methods._tiles import by_tile, tile_features
from sslax.nets import each, main_output, views_of

__all__ = ["context_prediction"]


class _Question(NamedTuple):
    """Patches, pairs of them, and the answers.

    Attributes:
      patches: arrays `[b n p q c]` that pass the tower one after the other.
      pairs: first and second patch of each pair, counted over all arrays.
      position: where the second lies around the first, 0 to 7.
    """

    patches: tuple[Float[Array, "b n p q c"], ...]
    pairs: Int[Array, "b m 2"]
    position: Int[Array, "b m"]


def context_prediction(
    encoder: Net, head: Net | None = None, *, features: str | None = None
) -> Method:
    """Tell in which of eight directions a second patch of an image lies from a first.

    Every patch passes alone through one tower, once for all pairs that it is in; the
    head reads the codes of a pair. Chance is a loss of ln 8 = 2.079.

    Args:
      encoder: patches [n p p c] to codes [n d]; `models.caffenet` is the paper's.
      head: codes of pairs [n 2d] to logits [n 8]; None is the paper's,
        `models.caffenet_head(dim=8)`.
      features: what is evaluated, where the encoder gives several outputs by name, such
        as "conv4"; the head reads the first of them. None is the first too.

    Returns:
      A method with groups "encoder" and "head", for batches of `views.context_pairs`,
      which are evaluated in patches too. The features of codes [d] are their mean over
      the patches; those of maps [h w d] are the mean of each patch, one after the
      other.

    Raises:
      ValueError: if the encoder does not give the features; when traced, for views that
        are no patches, or a batch without pairs or their positions.

    Note:
      As in the released code, batch norm sees all patches of a step at once. Where a
      batch brings its patches in several arrays, it sees those of each. The loss is the
      mean over pairs, of which the code takes the sum: there are so many times less of
      the rate.

    Example:
      >>> method = context_prediction(models.caffenet())
      >>> inner = models.caffenet(output=("pooled", "conv4"))
      >>> method = context_prediction(inner, features="conv4")

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction,
      2015, arXiv:1505.05192, section 3 and figure 3.
    """
    tower = by_tile(encoder)
    head = models.caffenet_head(dim=8) if head is None else head

    def init(key, batch):
        patches, keys = _question(batch).patches[0], jax.random.split(key)
        params, stats = tower.init(keys[0], patches)
        code = main_output(encoder, tower.apply(params, stats, patches)[0])[:, 0]
        head_params, head_stats = head.init(keys[1], _joined(code, code))
        return (
            {"encoder": params, "head": head_params},
            {"stats": {"encoder": stats, "head": head_stats}},
        )

    def loss(params, extra, batch, *, key, step):
        del step
        question, keys, stats = _question(batch), jax.random.split(key), extra["stats"]
        codes, encoder_stats = each(
            tower, params["encoder"], stats["encoder"], question.patches, key=keys[0]
        )
        codes = jnp.concatenate([main_output(encoder, c) for c in codes], axis=1)
        first, second = (
            jnp.take_along_axis(codes, question.pairs[..., i, None], axis=1)
            for i in range(2)
        )
        pairs = _joined(first, second).reshape(-1, 2 * codes.shape[-1])
        logits, head_stats = head.apply(
            params["head"], stats["head"], pairs, train=True, key=keys[1]
        )
        check_shape((len(pairs), 8), logits=logits)
        answer = question.position.reshape(-1)
        value = optax.softmax_cross_entropy_with_integer_labels(logits, answer).mean()
        right = (logits.argmax(axis=-1) == answer).mean()
        new = {"encoder": encoder_stats, "head": head_stats}
        return value, Aux({"stats": new}, {"accuracy": right})

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs={"features": tile_features(encoder, features)},
    )


def _joined(first: Array, second: Array) -> Array:
    """The codes of pairs, one after the other."""
    return jnp.concatenate([first, second], axis=-1)


def _question(batch: Batch) -> _Question:
    """What a batch asks, checked."""
    patches = views_of(batch, 1, more=True)
    check_rank(5, **{f"view {i}": view for i, view in enumerate(patches)})
    for name in ("pairs", "position"):
        if name not in batch:
            raise ValueError(
                f"context prediction needs {name!r}, as views.context_pairs gives it; "
                f"the batch has {sorted(batch)}"
            )
    pairs, position = batch["pairs"], batch["position"]
    check_shape((len(patches[0]), pairs.shape[1], 2), pairs=pairs)
    check_shape(pairs.shape[:2], position=position)
    return _Question(patches, pairs, position)
