"""Several random views of the same images."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax

from sslax.kinds import Builder, View


def two_views(*, first: View, second: View | None = None) -> Builder:
    """Two independent random views of every image.

    Args:
      first: makes the first view, as `view` gives it.
      second: makes the second; None for the same recipe with its own randomness.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, two arrays `[b h w c]`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = two_views(first=view(size=16))
      >>> batch = make(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [v.shape for v in batch["views"]]
      [(2, 16, 16, 3), (2, 16, 16, 3)]

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, algorithm 1.
    """
    second = first if second is None else second

    def views(key, batch):
        image, box = batch["image"], batch.get("box")
        first_key, second_key = jax.random.split(key)
        made = (first(first_key, image, box), second(second_key, image, box))
        return {**batch, "views": made}

    return views


def one_view(*, view: View) -> Builder:
    """One random view of every image, as instance discrimination uses it.

    Args:
      view: makes the view, as `view` gives it.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b h w c]`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> batch = {"image": jnp.ones((2, 20, 20, 3))}
      >>> one_view(view=view(size=16))(jax.random.key(0), batch)["views"][0].shape
      (2, 16, 16, 3)

    References:
      Wu et al., Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination, 2018, arXiv:1805.01978.
    """

    def views(key, batch):
        made = view(key, batch["image"], batch.get("box"))
        return {**batch, "views": (made,)}

    return views


def multi_crop(
    *,
    first: View,
    second: View | None = None,
    small: View | None = None,
    count: int = 6,
) -> Builder:
    """Two large views and several small ones of every image.

    Args:
      first: makes the first large view, as `view` gives it.
      second: makes the second; None for the same recipe.
      small: makes each small view; None for none.
      count: how many small views: 6 of 96 pixels in SwAV, 8 in DINO.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, 2 + count arrays: large first.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> small = view(size=8, scale=(0.05, 0.4))
      >>> make = multi_crop(first=view(size=16), small=small, count=2)
      >>> batch = make(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [v.shape[1] for v in batch["views"]]
      [16, 16, 8, 8]

    References:
      Caron et al., Unsupervised Learning of Visual Features by Contrasting Cluster
      Assignments, 2020, arXiv:2006.09882, section 3.3. Caron et al., Emerging
      Properties in Self-Supervised Vision Transformers, 2021, arXiv:2104.14294.
    """
    large = two_views(first=first, second=second)

    def views(key, batch):
        large_key, small_key = jax.random.split(key)
        made = large(large_key, batch)["views"]
        if small is not None and count:
            image, box = batch["image"], batch.get("box")
            # One program for all small views: compiles once, not `count` times.
            keys = jax.random.split(small_key, count)
            several = jax.vmap(small, in_axes=(0, None, None))(keys, image, box)
            made += tuple(several[i] for i in range(count))
        return {**batch, "views": made}

    return views


def renderings(*, first: View, second: View) -> Builder:
    """One crop of every image, drawn twice: same box, flip and colours, two sizes.

    Args:
      first: makes the first rendering, as `view` gives it.
      second: makes the second, with the same crop and jitter and another size,
        interpolation or normalisation.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, two arrays.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = renderings(first=view(size=16), second=view(size=8, resize="lanczos"))
      >>> batch = make(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [v.shape[1] for v in batch["views"]]
      [16, 8]

    References:
      Bao et al., BEiT: BERT Pre-Training of Image Transformers, 2021, arXiv:2106.08254,
      section 2.1: the transformer sees 224 pixels, the tokenizer 112.
    """

    def views(key, batch):
        image, box = batch["image"], batch.get("box")
        made = (first(key, image, box), second(key, image, box))
        return {**batch, "views": made}

    return views


def pixel_views(*, first: View, second: View | None = None) -> Builder:
    """Two views that know where in the image they come from.

    Args:
      first: makes the first view, as `view` gives it.
      second: makes the second; None for the same recipe.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, two arrays, and
      `batch["coordinates"]`, float32 `[b 2 4]`: x0, y0, x1, y1 of each crop over the
      width and height less one; a flip swaps x0 and x1.

    Raises:
      ValueError: for a view that does not say where it was cut.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = pixel_views(first=view(size=16))
      >>> batch = make(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> batch["coordinates"].shape
      (2, 2, 4)

    References:
      Xie et al., Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised
      Visual Representation Learning, 2020, arXiv:2011.10043, section 3.1.
    """
    cut, recut = _placed(first), _placed(first if second is None else second)

    def views(key, batch):
        image, box = batch["image"], batch.get("box")
        first_key, second_key = jax.random.split(key)
        one, here = cut(first_key, image, box, coordinates=True)
        two, there = recut(second_key, image, box, coordinates=True)
        places = jax.numpy.stack([here, there], axis=1)
        return {**batch, "views": (one, two), "coordinates": places}

    return views


def _placed(make: View) -> Callable[..., Any]:
    """A view that can say where it was cut."""
    if "coordinates" not in inspect.signature(make).parameters:
        raise ValueError(
            "pixel_views needs views that say where they were cut, as `view` gives "
            f"them; got {make}"
        )
    return make
