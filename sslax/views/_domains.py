"""Views of two domains without pairs, side by side."""

from __future__ import annotations

import jax

from sslax.checks import check_probability
from sslax.core import Drawn, in_parts
from sslax.kinds import Builder, View


def two_domains(
    *, first: View, second: View | None = None, flipped: float = 0.0
) -> Builder:
    """A view of an image, and one of an image of another domain beside it.

    Args:
      first: makes the view of `image`, as `fixed_crop` gives it.
      second: makes that of `other`; None for the same recipe.
      flipped: probability that a network shall see an image from right to left, so that
        its features can be held to turn with it: 0.5 in FastCUT. Views are not turned.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, two arrays `[b h w c]`, and where
      the probability is above 0 `batch["flipped"]`, bool `[b]`.

    Raises:
      ValueError: for a probability outside [0, 1]; when called, if the batch has no
        `other`, which `data.unpaired` gives.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import fixed_crop
      >>> make = two_domains(first=fixed_crop(size=16, resize_to=18), flipped=0.5)
      >>> batch = {"image": jnp.ones((2, 20, 20, 3)), "other": jnp.ones((2, 30, 30, 3))}
      >>> batch = jax.jit(make)(jax.random.key(0), batch)
      >>> [v.shape for v in batch["views"]], batch["flipped"].shape
      ([(2, 16, 16, 3), (2, 16, 16, 3)], (2,))

    References:
      Park et al., Contrastive Learning for Unpaired Image-to-Image Translation, 2020,
      arXiv:2007.15651, section 3 and appendix C.
    """
    check_probability(flipped=flipped)
    parts = [in_parts(first), in_parts(first if second is None else second)]

    def draw(key, batch):
        *keys, flip_key = jax.random.split(key, 3)
        sides = zip(parts, keys, _sides(batch), strict=True)
        drawn = {"views": [part.draw(k, *side) for part, k, side in sides]}
        if flipped:
            count = (len(batch["image"]),)
            drawn["flipped"] = jax.random.bernoulli(flip_key, flipped, count)
        return drawn

    def make(drawn, batch):
        sides = zip(parts, drawn["views"], _sides(batch), strict=True)
        views = tuple(part.make(d, *side) for part, d, side in sides)
        return {**batch, **drawn, "views": views}

    return Drawn(draw, make)


def _sides(batch) -> list[tuple]:
    """Images and their boxes, of both domains."""
    if "other" not in batch:
        raise ValueError(
            "two_domains needs an image of another domain, batch['other'], and the "
            f"data give {sorted(batch)}; data.unpaired puts two sources side by side"
        )
    names = (("image", "box"), ("other", "other_box"))
    return [(batch[image], batch.get(box)) for image, box in names]
