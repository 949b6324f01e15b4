"""CUT's contrast: places of what is made, among those of its own source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from sslax import losses
from sslax.core import Batch, Net
from sslax.nets import unfold

__all__ = ["contrasts", "turned"]


def turned(x: Array, batch: Batch) -> Array:
    """Images or maps as a network sees them.

    Args:
      x: [b h w c].
      batch: with "flipped" [b] where some are.

    Returns:
      The same, those that are flipped from right to left.
    """
    if "flipped" not in batch:
        return x
    return jnp.where(batch["flipped"][:, None, None, None], x[:, :, ::-1], x)


def contrasts(
    heads: Net,
    taps: Sequence[str],
    params: Mapping[str, Any],
    extra: Mapping[str, Any],
    batch: Batch,
    queries: Mapping[str, Array],
    keys: Mapping[str, Array],
    *,
    key: Array,
    count: int,
    patches: int,
    temperature: float,
    whole_batch: bool,
) -> list[Array]:
    """The contrast of places for each of several domains, a mean over the taps.

    Args:
      heads: a sequence of features [b n d_i] to unit vectors.
      taps: names of the maps that are compared.
      params: parameters, those of the heads under "heads".
      extra: with their statistics.
      batch: with "places" [count taps n] where it brings them, and "flipped".
      queries: maps of what is made, by tap, of all domains folded together.
      keys: maps of the sources, alike; they get no gradient.
      key: draws the places.
      count: how many domains.
      patches: places of each map.
      temperature: of the contrast.
      whole_batch: the negatives come from all images.

    Returns:
      A scalar for each domain.
    """

    def project(maps, places):
        at = [
            x.reshape(len(x), -1, x.shape[-1])[:, p]
            for x, p in zip(maps, places, strict=True)
        ]
        out, _ = heads.apply(params["heads"], extra["stats"]["heads"], at, train=True)
        return [x.reshape(1, -1, x.shape[-1]) for x in out] if whole_batch else out

    def contrast(i, places):
        made = [turned(unfold(queries[tap], count)[i], batch) for tap in taps]
        source = [unfold(keys[tap], count)[i] for tap in taps]
        pairs = zip(project(made, places), project(source, places), strict=True)
        found = [
            losses.patch_nce(
                q,
                jax.lax.stop_gradient(k),
                temperature=temperature,
                own_score=-10.0,
                normalize=False,
            )
            for q, k in pairs
        ]
        return sum(found) / len(found)

    sizes = [keys[tap].shape[1] * keys[tap].shape[2] for tap in taps]
    drawn = batch.get("places")
    if drawn is None:
        drawn = _places(key, sizes, count=count, patches=patches)
    return [contrast(i, drawn[i]) for i in range(count)]


def _places(
    key: Array, sizes: Sequence[int], *, count: int, patches: int
) -> list[list[Int[Array, " n"]]]:
    """Different places of maps of these sizes, for each of `count` domains."""
    keys = jax.random.split(key, (count, len(sizes)))
    return [
        [
            jax.random.permutation(k, n)[:patches]
            for k, n in zip(row, sizes, strict=True)
        ]
        for row in keys
    ]
