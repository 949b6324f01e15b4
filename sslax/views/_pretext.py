"""Views that ask a question whose answer is known: pretext tasks."""

from __future__ import annotations

from collections.abc import Callable

from sslax import augment
from sslax.augment._normalize import to_float


def rotated(*, view: Callable) -> Callable:
    """The four quarter turns of one view of every image.

    Args:
      view: makes the view before it is turned, as `view` gives it; square.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, four arrays: copy k is turned
      counter-clockwise by k * 90 degrees, and k is its label.

    Raises:
      ValueError: when called, if the view is not square.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> batch = {"image": jnp.ones((2, 20, 20, 3))}
      >>> batch = rotated(view=view(size=16))(jax.random.key(0), batch)
      >>> len(batch["views"]), batch["views"][1].shape
      (4, (2, 16, 16, 3))

    References:
      Gidaris et al., Unsupervised Representation Learning by Predicting Image
      Rotations, 2018, arXiv:1803.07728, section 3.
    """

    def views(key, batch):
        image = view(key, to_float(batch["image"]), batch.get("box"))
        if image.shape[1] != image.shape[2]:
            raise ValueError(f"rotated needs square views, got {tuple(image.shape)}")
        turned = tuple(augment.rot90(image, turns=k) for k in range(4))
        return {**batch, "views": turned}

    return views
