"""Several random views of the same images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax.core import Drawn, in_parts
from sslax.kinds import Batch, Builder, View


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
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [v.shape for v in batch["views"]]
      [(2, 16, 16, 3), (2, 16, 16, 3)]

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, algorithm 1.
    """
    return from_each((first, first if second is None else second), jax.random.split)


def from_each(views: Sequence[View], keys: Callable[[Array], Iterable[Array]]) -> Drawn:
    """A builder of a view by each of several, with the keys that its own one gives."""
    parts = [in_parts(view) for view in views]

    def draw(key, batch):
        source = pictures(batch)
        pairs = zip(parts, keys(key), strict=True)
        return tuple(part.draw(key, *source) for part, key in pairs)

    def make(drawn, batch):
        source = pictures(batch)
        pairs = zip(parts, drawn, strict=True)
        return {**batch, "views": tuple(part.make(d, *source) for part, d in pairs)}

    return Drawn(draw, make)


def pictures(batch: Batch) -> tuple:
    """What a view takes of a batch: images, and their boxes or None."""
    return batch["image"], batch.get("box")


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
      >>> make = jax.jit(one_view(view=view(size=16)))
      >>> make(jax.random.key(0), batch)["views"][0].shape
      (2, 16, 16, 3)

    References:
      Wu et al., Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination, 2018, arXiv:1805.01978.
    """

    return from_one(view, lambda image: {"views": (image,)})


def from_one(view: View, fields: Callable[[Array], Batch]) -> Builder:
    """A builder of what is computed from one view of every image, each by itself."""
    parts = in_parts(view)

    def draw(key, batch):
        return parts.draw(key, *pictures(batch))

    def make(drawn, batch):
        return {**batch, **fields(parts.make(drawn, *pictures(batch)))}

    return Drawn(draw, make)


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
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [v.shape[1] for v in batch["views"]]
      [16, 16, 8, 8]

    References:
      Caron et al., Unsupervised Learning of Visual Features by Contrasting Cluster
      Assignments, 2020, arXiv:2006.09882, section 3.3. Caron et al., Emerging
      Properties in Self-Supervised Vision Transformers, 2021, arXiv:2104.14294.
    """
    second = first if second is None else second
    large = from_each((first, second), jax.random.split)
    little = in_parts(small) if small is not None and count else None

    def draw(key, batch):
        large_key, small_key = jax.random.split(key)
        drawn = {"large": large.draw(large_key, batch)}
        if little:
            # One program for all small views: compiles once, not `count` times.
            keys = jax.random.split(small_key, count)
            several = jax.vmap(little.draw, in_axes=(0, None, None), out_axes=1)
            drawn["small"] = several(keys, *pictures(batch))
        return drawn

    def make(drawn, batch):
        made = large.make(drawn["large"], batch)["views"]
        if little:
            several = jax.vmap(little.make, in_axes=(1, None, None))
            several = several(drawn["small"], *pictures(batch))
            made += tuple(several[i] for i in range(count))
        return {**batch, "views": made}

    return Drawn(draw, make)


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
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [v.shape[1] for v in batch["views"]]
      [16, 8]

    References:
      Bao et al., BEiT: BERT Pre-Training of Image Transformers, 2021, arXiv:2106.08254,
      section 2.1: the transformer sees 224 pixels, the tokenizer 112.
    """

    return from_each((first, second), lambda key: (key, key))


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
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> batch["coordinates"].shape
      (2, 2, 4)

    References:
      Xie et al., Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised
      Visual Representation Learning, 2020, arXiv:2011.10043, section 3.1.
    """
    for cut in (first, second):
        if cut is not None and not isinstance(cut, Drawn):
            raise ValueError(
                "pixel_views needs views that say where they were cut, as `view` gives "
                f"them; got {cut}"
            )
    second = first if second is None else second
    both = from_each((first, second), jax.random.split)

    def make(drawn, batch):
        places = jnp.stack([view["coordinates"] for view in drawn], axis=1)
        return {**both.make(drawn, batch), "coordinates": places}

    return Drawn(both.draw, make)
