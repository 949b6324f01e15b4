"""Colorization: tell the colours of a picture from its lightness."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sslax import augment, losses
from sslax.checks import check_positive
from sslax.core import Aux, Batch, Method, Net, Objective, Output
from sslax.methods._inner import inner_readings
from sslax.nets import chain, views_of

__all__ = ["colorization"]

# A table, or the path of a .npy file with one; None is the published one.
Table = Array | np.ndarray | str | None


def colorization(
    encoder: Net,
    *,
    centres: Table = None,
    prior: Table = None,
    neighbours: int = 10,
    sigma: float = 5.0,
    uniform: float = 0.5,
    alpha: float = 1.0,
    temperature: float = 0.38,
    features: str | None = None,
) -> Method:
    """Tell the colour of every pixel, one of 313, where rare colours count for more.

    Args:
      encoder: lightness [b h w 1] to "logits" [b i j bins] of a coarser grid, and what
        is evaluated, such as "pooled": `models.colorizer(output=("pooled", "logits"))`.
      centres: (a, b) of the bins, [bins 2], or a .npy file of them.
      prior: how often each bin occurs, [bins], sums to 1, or a .npy file: of other data
        `losses.smooth_prior` of their share of `augment.nearest_centre`.
      neighbours: bins that share a colour: 10 in the released layers, 5 in the paper.
      sigma: of the Gaussian by which they share it, in units of Lab.
      uniform: share of the uniform distribution in the weights of the bins; 1 weighs
        all alike.
      alpha: exponent of the weights.
      temperature: of the pictures, see `losses.annealed_mean`.
      features: what is evaluated, the first output of the encoder by default.

    Returns:
      A method with the group "encoder", for batches of `views.lab`. The bins and their
      weights are kept with the state. Pictures are grey, painted, and with the colours
      that the loss asks for.

    Raises:
      ValueError: for an encoder without "logits" or the features, tables that do not
        fit each other, a number out of its range; when traced, for views without
        colours, or of another grid than the logits, or another number of bins.

    Note:
      As released, the loss is the cross-entropy without weights, summed over pixels,
      mean over all images, and its gradient that with weights, which is logged as
      "rebalanced" and leaves grey images out; "divergence" is the loss less the entropy
      of the targets, which no network gets below.

    Example:
      >>> from sslax import models
      >>> net = models.colorizer(width=4, output=("pooled", "logits"))
      >>> method = colorization(net)

    References:
      Zhang et al., Colorful Image Colorization, 2016, arXiv:1603.08511, equations 2 to
      5 and section 2.
    """
    if "logits" not in encoder.outputs:
        raise ValueError(
            "the encoder must give 'logits' by name, and gives "
            f"{encoder.outputs or 'one array'}; make it with output=('pooled', "
            "'logits')"
        )
    check_positive(temperature=temperature, sigma=sigma)
    bins, prior = _tables(centres, prior)
    if not 1 <= neighbours <= len(bins):
        raise ValueError(f"neighbours must be in [1, {len(bins)}]; got {neighbours}")
    weights = losses.rebalancing_weights(prior, uniform=uniform, alpha=alpha)
    net = chain(encoder=encoder)

    def init(key, batch):
        params, stats = net.init(key, _lightness(batch))
        return params, {
            "stats": stats,
            "centres": jnp.asarray(bins),
            "weights": weights,
        }

    def loss(params, extra, batch, *, key, step):
        del step
        lightness = _lightness(batch)
        out, stats = net.apply(params, extra["stats"], lightness, train=True, key=key)
        logits = out["encoder"]["logits"]
        _check_grid(logits, batch["ab"], len(bins))
        code = losses.soft_encode(
            batch["ab"], extra["centres"], neighbours=neighbours, sigma=sigma
        )
        vivid = batch["weight"][:, None, None]
        counts = losses.pixel_weights(code, extra["weights"]) * vivid
        value = losses.colorization(logits, code, counts, rescale_gradient=True)
        entropy = jax.scipy.special.entr(code).sum() / len(code)
        right = (logits.argmax(axis=-1) == code.argmax(axis=-1)).mean()
        metrics = {
            "accuracy": right,
            "divergence": value - entropy,
            "rebalanced": losses.colorization(logits, code, counts),
        }
        return value, Aux({**extra, "stats": stats}, metrics)

    outputs = inner_readings(net, encoder, features)
    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs={**outputs, "pictures": _pictures(net, temperature)},
    )


def _tables(
    centres: Table, prior: Table
) -> tuple[Float[np.ndarray, "q 2"], Float[np.ndarray, " q"]]:
    """The bins and their prior, the published ones where none are given."""
    if centres is not None and prior is None:
        raise ValueError("centres of your own need their prior; give both")
    bins, prior = (
        published() if table is None else _read(table)
        for table, published in (
            (centres, augment.ab_centres),
            (prior, augment.ab_prior),
        )
    )
    if bins.ndim != 2 or bins.shape[1] != 2 or prior.shape != bins.shape[:1]:
        raise ValueError(
            f"centres must be [bins 2] and their prior [bins]; got {bins.shape} and "
            f"{prior.shape}"
        )
    if prior.min() < 0 or abs(prior.sum() - 1) > 1e-3:
        raise ValueError(
            f"the prior must be 0 or more and sum to 1; it sums to {prior.sum():.4g}"
        )
    return bins, prior


def _read(table: Array | np.ndarray | str) -> np.ndarray:
    if isinstance(table, str):
        return np.load(table, allow_pickle=False)
    return np.asarray(table)


def _lightness(batch: Batch) -> Float[Array, "b h w 1"]:
    """The only view of a batch, which has its colours beside it."""
    (lightness,) = views_of(batch, 1)
    if not {"ab", "weight"} <= set(batch) or lightness.shape[-1] != 1:
        raise ValueError(
            "colorization needs lightness, and batch['ab'] and batch['weight'], which "
            f"views.lab gives; the batch has {sorted(batch)} and a view of shape "
            f"{lightness.shape}"
        )
    return lightness


def _check_grid(logits: Array, ab: Array, bins: int) -> None:
    if logits.shape != (*ab.shape[:3], bins):
        raise ValueError(
            f"the logits are {logits.shape}, the colours {ab.shape} and the bins "
            f"{bins}: the stride of views.lab must be that of the encoder, and the "
            "encoder have as many logits as there are bins"
        )


def _pictures(net: Net, temperature: float) -> Output:
    """Grey, painted, and in the colours that were asked for."""

    def pictures(params, extra, batch, *, key):
        del key
        lightness = _lightness(batch)
        out, _ = net.apply(params, extra["stats"], lightness)
        logits = out["encoder"]["logits"]
        told = losses.annealed_mean(logits, extra["centres"], temperature=temperature)

        def coloured(ab):
            ab = jax.image.resize(ab, (*lightness.shape[:3], 2), "bilinear")
            made = jnp.concatenate([lightness + 50.0, ab.astype(lightness.dtype)], -1)
            return jnp.clip(augment.lab_to_rgb(made), 0.0, 1.0)

        return {
            "grey": coloured(jnp.zeros_like(batch["ab"])),
            "painted": coloured(told),
            "colours asked for": coloured(batch["ab"]),
        }

    return pictures
