"""Views that ask a question whose answer is known: pretext tasks."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from sslax import arrays, augment
from sslax.checks import check_choice, check_probability
from sslax.kinds import Builder, View
from sslax.views._several import from_one

WAYS = ("bicubic", "bilinear", "lanczos", "box")


def rotated(*, view: View) -> Builder:
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
      >>> batch = jax.jit(rotated(view=view(size=16)))(jax.random.key(0), batch)
      >>> len(batch["views"]), batch["views"][1].shape
      (4, (2, 16, 16, 3))

    References:
      Gidaris et al., Unsupervised Representation Learning by Predicting Image
      Rotations, 2018, arXiv:1803.07728, section 3.
    """

    def turned(image):
        if image.shape[1] != image.shape[2]:
            raise ValueError(f"rotated needs square views, got {tuple(image.shape)}")
        return {"views": tuple(augment.rot90(image, turns=k) for k in range(4))}

    return from_one(view, turned)


def counted(
    *,
    view: View,
    grey: float = 0.67,
    normalize: bool = True,
    ways: Sequence[str] = WAYS,
    both: bool = False,
) -> Builder:
    """A view made small, its four quarters, and another image made small.

    How to make small is drawn in every step, so that the style of resampling tells
    nothing: made small by one way, images are softer or sharper than quarters are.

    Args:
      view: makes the view of even side, as `view` gives it: 224 pixels in the paper.
      grey: probability that all terms of an image are grey.
      normalize: whether each term gets mean 0 and deviation 1.
      ways: what is drawn from; one to evaluate.
      both: the quarters of the other image too.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`: the small view `[b s s c]`, its
      quarters `[b 4 s s c]` in raster order, the small view of the next image of the
      batch `[b s s c]`, and with `both` the quarters of that one.

    Raises:
      ValueError: for an unknown way or a wrong probability; when called, if the side is
        odd or the batch has one image.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = counted(view=view(size=16))
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [v.shape for v in batch["views"]]
      [(2, 8, 8, 3), (2, 4, 8, 8, 3), (2, 8, 8, 3)]

    Note:
      The paper's ways are OpenCV's, which do not antialias. At half the side its
      bilinear is the box; here bilinear antialiases, as the one that softens.

    References:
      Noroozi et al., Representation Learning by Learning to Count, 2017,
      arXiv:1708.06734, section 3 and section 4.
    """
    if not ways:
        raise ValueError(f"ways must name one or more of {', '.join(WAYS)}; got none")
    for way in ways:
        check_choice(WAYS, ways=way)
    check_probability(grey=grey)

    def views(key, batch):
        view_key, way_key, grey_key = jax.random.split(key, 3)
        image = view(view_key, batch["image"], batch.get("box"))
        number, side, wide, channels = image.shape
        if side % 2 or side != wide or number < 2:
            raise ValueError(
                f"counting needs two square images of even side, got {image.shape}"
            )
        half = side // 2
        shrink = [functools.partial(_halved, way=way) for way in ways]
        chosen = jax.random.randint(way_key, (), 0, len(ways))
        small = jax.lax.switch(chosen, shrink, image)
        quarters = image.reshape(number, 2, half, 2, half, channels)
        quarters = quarters.transpose(0, 1, 3, 2, 4, 5)
        terms = [small, quarters.reshape(number, 4, half, half, channels)]
        others = [jnp.roll(x, -1, axis=0) for x in terms]
        terms += others if both else others[:1]
        # One decision for all terms, the other image's too.
        drab = jax.random.bernoulli(grey_key, grey, (number,))
        dressed = tuple(_dressed(x, drab, normalize) for x in terms)
        return {**batch, "views": dressed}

    return views


def _halved(image, *, way: str):
    """Images at half the side; box takes the mean of four pixels."""
    soft = way in ("bilinear", "box")
    half = image.shape[1] // 2
    return augment.resize(image, size=half, method=way, antialias=soft)


def _dressed(x, drab, normalize: bool):
    """Some images without colours, and each picture with mean 0 and deviation 1."""
    drab = drab.reshape(-1, *(1,) * (x.ndim - 1))
    x = jnp.where(drab, jnp.mean(x, axis=-1, keepdims=True), x)
    if not normalize:
        return x
    x = x - jnp.mean(x, axis=(-3, -2, -1), keepdims=True)
    square = jnp.mean(x**2, axis=(-3, -2, -1), keepdims=True)
    return x / jnp.sqrt(jnp.maximum(square, 1e-8))


def montage(*, view: View, overlap: float = 0.3) -> Builder:
    """Images put together from quarters of different images of the whole batch.

    Each image gives four overlapping quarters, each with a view of its own; all of the
    batch's quarters are shuffled and four at a time laid out 2 x 2.

    Args:
      view: makes the view of each quarter, as `view` gives it: 112 pixels for 224.
      overlap: by how much of the side a quarter exceeds a half: 0.3 in the paper.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b 2s 2s c]`, and
      `batch["permute"]`, int32 `[b 4]`: which quarter lies at the top left, top right,
      bottom left and bottom right. Quarter k is part k // b (top left, bottom left, top
      right, bottom right) of image k % b.

    Raises:
      ValueError: for an overlap outside [0, 0.5].

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = montage(view=view(size=8))
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((3, 20, 20, 3))})
      >>> batch["views"][0].shape, batch["permute"].shape
      ((3, 16, 16, 3), (3, 4))

    References:
      Chen et al., Jigsaw Clustering for Unsupervised Visual Representation Learning,
      2021, arXiv:2104.00323, section 3.
    """
    if not 0 <= overlap <= 0.5:
        raise ValueError(f"overlap must be in [0, 0.5], got {overlap}")

    def views(key, batch):
        view_key, order_key = jax.random.split(key)
        image = batch["image"]
        box = batch.get("box")
        box = augment.whole_box(image) if box is None else box
        number = image.shape[0]
        part = jnp.round((0.5 + overlap) * box[:, 2:])
        room = box[:, 2:] - part
        sides = jnp.array([[0, 0], [1, 0], [0, 1], [1, 1]])[:, None]  # down, right
        corners = box[None, :, :2] + room[None] * sides
        spans = jnp.broadcast_to(part, corners.shape)
        places = jnp.concatenate([corners, spans], axis=-1)
        # One program for all quarters: compiles once, not four times.
        keys = jax.random.split(view_key, 4)
        quarters = jax.vmap(view, in_axes=(0, None, 0))(keys, image, places)
        pool = quarters.reshape(-1, *quarters.shape[2:])
        order = jax.random.permutation(order_key, 4 * number)
        permute = arrays.spread(order.reshape(4, number).T.astype(jnp.int32))
        # Every device meets all quarters; what it lays out of them is its own.
        parts = arrays.spread(pool[permute])
        top = jnp.concatenate([parts[:, 0], parts[:, 1]], axis=2)
        bottom = jnp.concatenate([parts[:, 2], parts[:, 3]], axis=2)
        laid = jnp.concatenate([top, bottom], axis=1)
        return {**batch, "views": (laid,), "permute": permute}

    return views
