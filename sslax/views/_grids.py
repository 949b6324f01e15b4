"""Grids of overlapping patches, and what happens to each patch on its own."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import augment
from sslax.augment.parts import OPERATIONS
from sslax.checks import check_positive, check_probability
from sslax.kinds import Builder, View


def overlapping_patches(
    *,
    view: View,
    size: int = 64,
    stride: int = 32,
    window: int | None = 60,
    each: View | None = None,
) -> Builder:
    """A grid of overlapping patches of one view, for prediction of one from others.

    Args:
      view: makes the view that is cut up, as `view` gives it: 256 grey pixels in CPC,
        260 in its second version.
      size: side of a patch: 64, and 80 in the second version.
      stride: distance of neighbours: 32, and 36 in the second version.
      window: side of the window that is kept at a random place in each patch; None
        keeps all.
      each: `(key, patches [n p p c]) -> patches`, what happens to every patch on its
        own, such as `altered_patches` gives; None does nothing.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b rows columns p p c]`.

    Raises:
      ValueError: when called, if a patch does not fit the view.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = overlapping_patches(view=view(size=16), size=8, stride=4, window=7)
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 1))})
      >>> batch["views"][0].shape
      (2, 3, 3, 8, 8, 1)

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding,
      2018, arXiv:1807.03748, section 3.2. Hénaff et al., Data-Efficient Image
      Recognition with Contrastive Predictive Coding, 2019, arXiv:1905.09272.
    """

    def views(key, batch):
        view_key, window_key, each_key = jax.random.split(key, 3)
        image = view(view_key, batch["image"], batch.get("box"))
        patches = augment.patch_grid(image, size=size, stride=stride)
        flat = patches.reshape(-1, *patches.shape[3:])
        if window is not None:
            flat = augment.random_window(window_key, flat, size=window)
        if each is not None:
            flat = each(each_key, flat, None)
        return {**batch, "views": (flat.reshape(*patches.shape[:3], *flat.shape[1:]),)}

    return views


def image_rows(*, view: View, height: int) -> Builder:
    """The rows of one view as a sequence, from above to below.

    Args:
      view: makes the view that is cut up, as `view` gives it.
      height: of a row in pixels; it divides the height of the view.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b rows 1 height w c]`:
      a grid of one column, of patches as wide as the view.

    Raises:
      ValueError: for a height below 1; when called, if it does not divide the view's.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = image_rows(view=view(size=16), height=4)
      >>> batch = {"image": jnp.ones((2, 20, 20, 1))}
      >>> jax.jit(make)(jax.random.key(0), batch)["views"][0].shape
      (2, 4, 1, 4, 16, 1)

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding,
      2018, arXiv:1807.03748, section 2.2, whose sequences these are of images.
    """
    check_positive(height=height)

    def views(key, batch):
        image = view(key, batch["image"], batch.get("box"))
        b, h, w, c = image.shape
        if h % height:
            raise ValueError(
                f"rows of {height} pixels do not divide views of {h}; expected one of "
                f"{[n for n in range(1, h + 1) if h % n == 0]}"
            )
        return {**batch, "views": (image.reshape(b, h // height, 1, height, w, c),)}

    return views


def altered_patches(
    *,
    magnitude: float = 9.0,
    elastic: float = 0.2,
    histogram: float = 0.2,
    jitter: float = 0.8,
    grayscale: float = 0.25,
) -> View:
    """What the second version of CPC does to every patch on its own.

    Two operations of the automatic set, elastic deformation with shear, an operation on
    the histogram, colour jitter, grey: each with its own randomness and probability.

    Args:
      magnitude: of the two operations, of 10; 0 leaves them out.
      elastic: probability of elastic deformation and a shear of up to 0.3.
      histogram: probability of one of autocontrast, equalize, posterize and solarize.
      jitter: probability of a jitter of brightness 32/255, contrast and saturation 0.5
        and hue 0.2.
      grayscale: probability of losing the colours.

    Returns:
      `(key, patches [n p p c]) -> patches [n p p c]`, in [0, 1].

    Raises:
      ValueError: for a probability outside [0, 1].

    Example:
      >>> import jax, jax.numpy as jnp
      >>> jax.jit(altered_patches())(jax.random.key(0), jnp.ones((2, 16, 16, 3))).shape
      (2, 16, 16, 3)

    Note:
      The paper names the steps and their probabilities; magnitudes are those of
      `random_augment`, of Simard et al. for the deformation, of Szegedy et al. for the
      jitter. "Colour histogram" is read as the operations of that set on histograms.

    References:
      Hénaff et al., Data-Efficient Image Recognition with Contrastive Predictive
      Coding, 2019, arXiv:1905.09272, appendix A.
    """
    check_probability(
        elastic=elastic, histogram=histogram, jitter=jitter, grayscale=grayscale
    )

    def alter(key, patches, box=None):
        del box
        keys = jax.random.split(key, 5)
        number, channels = patches.shape[0], patches.shape[-1]
        if magnitude:
            patches = augment.random_augment(
                keys[0], patches, magnitude=magnitude, deviation=0.0, probability=1.0
            )
        if elastic:
            patches = _deformed(keys[1], patches, elastic)
        if histogram:
            patches = _levels_changed(keys[2], patches, histogram)
        if jitter:
            patches = augment.random_jitter(
                keys[3],
                patches,
                strength=(32.0 / 255.0, 0.5, 0.5, 0.2),
                probability=jitter,
            )
        if grayscale and channels == 3:
            grey = jax.random.bernoulli(keys[4], grayscale, (number,))
            patches = augment.grayscale(patches, amount=grey.astype(patches.dtype))
        return patches

    return alter


def _deformed(key, patches, probability: float):
    """Elastic deformation and a shear, of some patches."""
    move_key, shear_key, apply_key = jax.random.split(key, 3)
    apply = jax.random.bernoulli(apply_key, probability, (patches.shape[0],))
    shear = jax.random.uniform(
        shear_key, (2, patches.shape[0]), minval=-0.3, maxval=0.3
    )
    matrix = augment.affine_matrix(shear=tuple(jnp.rad2deg(jnp.arctan(shear))))
    moved = augment.affine(augment.random_elastic(move_key, patches), matrix, edge=True)
    return jnp.where(apply[:, None, None, None], moved, patches)


def _levels_changed(key, patches, probability: float):
    """One operation on the histogram, of some patches."""
    pick_key, apply_key, level_key = jax.random.split(key, 3)
    shape = (patches.shape[0],)
    names = ("autocontrast", "equalize", "posterize", "solarize")
    choices = jnp.array([OPERATIONS.index(name) for name in names])
    operation = jax.random.choice(pick_key, choices, shape)
    apply = jax.random.bernoulli(apply_key, probability, shape)
    level = jax.random.uniform(level_key, shape)
    operation = jnp.where(apply, operation, -1)
    return augment.apply_operations(patches, operation, level, jnp.ones(shape))
