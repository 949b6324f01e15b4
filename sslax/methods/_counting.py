"""Learning to Count: what an image shows is the sum of what its quarters show."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import losses, models
from sslax.checks import check_positive, check_rank, check_shape
from sslax.core import Aux, Batch, Method, Net, Objective
from sslax.methods._inner import inner_readings
from sslax.methods._tiles import by_tile
from sslax.nets import chain, views_of

__all__ = ["counting"]


def counting(
    encoder: Net,
    counter: Net | None = None,
    *,
    margin: float = 10.0,
    features: str | None = None,
) -> Method:
    """Counts of an image made small are the sums of the counts of its quarters.

    One net of shared weights sees all of them, and counts are not negative. Those of
    another image must not fit the quarters, so that they are not all zero: a loss that
    stays at the margin says that they are.

    Args:
      encoder: images [n s s c] to features [n d]: the paper's is `models.caffenet(
        response_norm=False, norm=None)`. Batch norm would tell quarters from images.
      counter: features to counts [n e], which a ReLU follows; None is the paper's, two
        layers with 1000 counts.
      margin: M, the squared distance that another image must have.
      features: what is evaluated, where the encoder gives several outputs by name, such
        as "conv3"; the counter reads the first of them. None is the first too.

    Returns:
      A method with groups "encoder" and "counter", for batches of `views.counted`. The
      first view, which is evaluated, is the image made small. The metrics are the
      squared distances of the own and of the other image, and the mean count.

    Raises:
      ValueError: for a margin that is not positive, or features that the encoder does
        not give; when traced, for other views.

    Note:
      With the quarters of the other image in the batch the pair is asked both ways and
      the losses are added, as an implementation for TensorFlow does, of which the
      paper's authors have none. The hinge is of the sum over all counts, in the paper.

    Example:
      >>> encoder = models.caffenet(response_norm=False, norm=None)
      >>> method = counting(encoder)

    References:
      Noroozi et al., Representation Learning by Learning to Count, 2017,
      arXiv:1708.06734, equation 5.
    """
    check_positive(margin=margin)
    if counter is None:
        counter = models.mlp(hidden=4096, dim=1000, norm=None, bias=True, init="xavier")
    net = chain(encoder=encoder, counter=counter)

    def init(key, batch):
        params, stats = net.init(key, _terms(batch)[0])
        return params, {"stats": stats}

    def loss(params, extra, batch, *, key, step):
        del step
        terms, tiles = _terms(batch), batch["views"][1].shape[1]
        pictures = [x if x.ndim == 5 else x[:, None] for x in terms]
        pictures = jnp.concatenate(pictures, axis=1)
        out, stats = by_tile(net).apply(
            params, extra["stats"], pictures, train=True, key=key
        )
        counts = jax.nn.relu(out["counter"])
        one, other = counts[:, : tiles + 1], counts[:, tiles + 1 :]
        pairs = [(one, other)] if len(terms) == 3 else [(one, other), (other, one)]
        value = sum(
            losses.counting(x[:, 0], y[:, 0], x[:, 1:], margin=margin) for x, y in pairs
        )
        own, far = (_apart(x, one) for x in (one, other))
        metrics = {"own": own, "other": far, "count": counts.mean()}
        return value, Aux({"stats": stats}, metrics)

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs=inner_readings(net, encoder, features),
    )


def _apart(whole, tiles) -> Array:
    """The mean squared distance of counts from the sum of those of the tiles."""
    total = tiles[:, 1:].sum(axis=1)
    return jnp.square(whole[:, 0] - total).sum(axis=-1).mean()


def _terms(batch: Batch) -> tuple[Array, ...]:
    """An image made small and its tiles, and one or both of these of another image."""
    terms = views_of(batch, 3, more=True)
    if len(terms) > 4:
        raise ValueError(f"counting takes 3 or 4 views of an image; got {len(terms)}")
    small, tiles = terms[:2]
    check_rank(4, **{"view 0": small, "view 2": terms[2]})
    check_rank(5, **{f"view {i}": terms[i] for i in range(1, len(terms), 2)})
    one, several = small.shape, (len(small), tiles.shape[1], *small.shape[1:])
    check_shape(one, **{"view 2": terms[2]})
    check_shape(several, **{f"view {i}": terms[i] for i in range(1, len(terms), 2)})
    return terms
