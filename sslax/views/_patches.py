"""Views made of patches: context pairs and exemplars."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import augment
from sslax.augment import to_float
from sslax.checks import (
    check_choice,
    check_not_negative,
    check_positive,
    check_probability,
)
from sslax.kinds import Builder, View
from sslax.views._canvas import filled

COLOURS = ("drop", "project", "keep")


def context_pairs(
    *,
    patch: int = 96,
    gap: int = 48,
    jitter: int = 7,
    view: View | None = None,
    colours: str = "drop",
    pixelate: float = 0.33,
    level: float = 50.0,
) -> Builder:
    """A grid of patches of every image, and all pairs of neighbours with their label.

    The grid starts at a random place; every patch is moved by its own jitter. Patches
    are cut once, and each neighbouring pair is asked about in both orders.

    Args:
      patch: side of a patch in pixels.
      gap: between patches.
      jitter: largest shift of a patch in each direction.
      view: makes the view that is cut up; None takes the image as it is, which must
        then fill its array. Without flip, which would change the label.
      colours: what hides the lens: `drop` keeps one channel and puts noise in the
        others, `project` removes the green-magenta axis, `keep` does nothing.
      pixelate: probability of taking resolution away from a patch, down to 100 pixels.
      level: root mean square that each patch gets.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b n p p c]`,
      `batch["pairs"]`, int32 `[b m 2]`: first and second patch of each pair, and
      `batch["position"]`, int32 `[b m]`: where the second lies around the first, 0..7.

    Raises:
      ValueError: for an unknown way with colours or a number that makes no sense; when
        called, if the image does not hold two patches and the gap, or lies on a canvas
        and `view` is None.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = context_pairs(patch=8, gap=4, jitter=1)
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 24, 24, 3))})
      >>> batch["views"][0].shape, batch["pairs"].shape
      ((2, 4, 8, 8, 3), (2, 12, 2))

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction,
      2015, arXiv:1505.05192, section 3.
    """
    check_choice(COLOURS, colours=colours)
    check_positive(patch=patch, level=level)
    check_not_negative(gap=gap, jitter=jitter)
    check_probability(pixelate=pixelate)

    def views(key, batch):
        view_key, place_key, jitter_key, style_key = jax.random.split(key, 4)
        image = to_float(batch["image"])
        if view is not None:
            image = view(view_key, image, batch.get("box"))
        elif "box" in batch:
            raise ValueError(
                "context_pairs without view would cut patches out of the canvas around "
                "the image; give a view that fills it, such as center"
            )
        number, height, width, channels = image.shape
        step = patch + gap
        if min(height, width) < patch + step:
            raise ValueError(
                f"images of {height} x {width} do not hold two patches of {patch} "
                f"and a gap of {gap}"
            )
        rows, columns = (height - patch) // step + 1, (width - patch) // step + 1
        room = (
            jnp.array([height, width])
            - patch
            - step * jnp.array([rows - 1, columns - 1])
        )
        origin = jax.random.randint(
            place_key, (number, 1, 2), 0, jnp.minimum(room + 1, step)[None, None]
        )
        cell = jnp.arange(rows * columns)
        corner = step * jnp.stack([cell // columns, cell % columns], axis=1)[None]
        moved = jax.random.randint(
            jitter_key, (number, rows * columns, 2), -jitter, jitter + 1
        )
        limit = jnp.array([height - patch, width - patch])[None, None]
        place = jnp.clip(origin + corner + moved, 0, limit)
        patches = augment.cut(image, place[..., 0], place[..., 1], size=(patch, patch))
        flat = patches.reshape(-1, patch, patch, channels)
        flat = _hide_shortcuts(style_key, flat, colours, pixelate, level)
        pairs, labels = augment.grid_pairs(rows=rows, columns=columns)
        return {
            **batch,
            "views": (flat.reshape(patches.shape),),
            "pairs": jnp.broadcast_to(jnp.asarray(pairs), (number, *pairs.shape)),
            "position": jnp.broadcast_to(jnp.asarray(labels), (number, len(labels))),
        }

    return views


def _hide_shortcuts(key, patches, colours, pixelate, level):
    """Resolution and colours of each patch, then its contrast."""
    size_key, pick_key, channel_key, noise_key = jax.random.split(key, 4)
    number, side = patches.shape[:2]
    if pixelate:
        least = min(10.0, side - 1.0)
        area = jax.random.uniform(
            size_key, (number,), minval=least**2, maxval=(side - 1.0) ** 2
        )
        chosen = jax.random.bernoulli(pick_key, pixelate, (number,))
        small = augment.low_resolution(patches, jnp.where(chosen, jnp.sqrt(area), side))
        patches = jnp.where(chosen[:, None, None, None], small, patches)
    if colours == "drop" and patches.shape[-1] == 3:
        channel = jax.random.randint(channel_key, (number,), 0, 3)
        noise = jax.random.uniform(noise_key, patches.shape, minval=-0.5, maxval=0.5)
        patches = augment.drop_colours(patches, channel, noise / 255.0)
    else:
        if colours == "project" and patches.shape[-1] == 3:
            patches = augment.project_colours(patches)
        patches = patches - jnp.mean(patches, axis=(1, 2), keepdims=True)
    return augment.contrast_normalize(patches, level=level)


def exemplars(
    *, patch: int = 32, seed: int = 0, scales: int = 4, colours: bool = True
) -> Builder:
    """A transformed copy of one patch of detail of every image.

    Which patch is drawn once per image, from the seed and `batch["index"]`: its side is
    0.8^-k of `patch`, k below `scales`, and its place is in proportion to its squared
    gradient. The class of an image is this one exemplar. In every step it is scaled
    (by U(0.71, 1.41)), moved (by up to a quarter of its scaled side), turned (by up to
    20 degrees), and its colours change. What lies around the picture, also on its
    canvas, is its border drawn out.

    Args:
      patch: side of the patch in the view, and of the smallest seeds.
      seed: of what is drawn once.
      scales: how many sizes there are; those that the images do not hold are left out.
      colours: whether colours change too (not on one-channel images).

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b p p c]`; the class is
      `batch["index"]`.

    Raises:
      ValueError: if there is no scale; when called, if the patch does not fit the image
        or the batch has no `index`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image = jax.random.uniform(jax.random.key(1), (2, 48, 48, 3))
      >>> batch = {"image": image, "index": jnp.arange(2)}
      >>> jax.jit(exemplars(patch=16))(jax.random.key(0), batch)["views"][0].shape
      (2, 16, 16, 3)

    Note:
      Seeds lie where the paper says; the released code measures detail by what a
      low-pass takes from every fourth pixel, and drops copies that leave the image.

    References:
      Dosovitskiy et al., Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks, 2014, arXiv:1406.6909, section 3.1.
    """
    check_positive(patch=patch, scales=scales)

    def views(key, batch):
        image = filled(to_float(batch["image"]), batch.get("box"))
        side, centre = _seeds(image, batch, patch, scales, seed)
        shape_key, colour_key = jax.random.split(key)
        shape = (4, len(image))
        u = jax.random.uniform(shape_key, shape, image.dtype, minval=-1.0, maxval=1.0)
        low, high = 0.5**0.5, 2.0**0.5
        side = side / (low + (high - low) * (u[0] + 1.0) / 2.0)
        centre = centre + 0.25 * (side[None] * u[1:3]).T
        made = _window(image, side, centre, 20.0 * u[3], patch)
        if colours and image.shape[-1] == 3:
            made = augment.random_exemplar_colours(colour_key, made)
        return {**batch, "views": (made,)}

    return views


def _seeds(image, batch, patch: int, scales: int, seed: int) -> tuple[Array, Array]:
    """The side `[b]` and centre `[b 2]` of the exemplar of every image."""
    if "index" not in batch:
        raise ValueError(
            "an exemplar is a class by `index`, the number of every image in the data, "
            f"as sslax.data.loader gives it; the batch has {sorted(batch)}"
        )
    fold = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
    keys = jax.vmap(jax.random.split)(fold(jax.random.key(seed), batch["index"]))
    energy, most = augment.gradient_energy(image), min(image.shape[1:3])
    sizes = [patch * 0.8**-k for k in range(scales)]
    sizes = [size for i, size in enumerate(sizes) if i == 0 or round(size) <= most]
    draw = jax.vmap(lambda k, score: augment.sample_corner(k, score[None])[0])
    centres = []
    for size in sizes:
        scores = augment.patch_scores(energy, size=round(size))
        scores = _inside(scores, batch.get("box"), round(size))
        centres.append(draw(keys[:, 0], scores) + (round(size) - 1) / 2)
    pick = jax.vmap(lambda k: jax.random.randint(k, (), 0, len(sizes)))(keys[:, 1])
    centre = jnp.stack(centres, axis=1)[jnp.arange(len(pick)), pick]
    return jnp.asarray(sizes, image.dtype)[pick], centre.astype(image.dtype)


def _window(image, side, centre, degrees, patch: int) -> Array:
    """Square windows of images, turned and brought to `patch` pixels.

    Two samples along each side of a pixel, as most windows are shrunk.
    """
    matrix = augment.affine_matrix(degrees=degrees, scale=2.0 * patch / side)
    middle = (jnp.array(image.shape[1:3], image.dtype) - 1)[None] / 2
    shift = (centre - middle)[:, ::-1].astype(matrix.dtype)
    matrix = matrix.at[:, :, 2].add(shift)
    made = augment.affine(image, matrix, size=(2 * patch, 2 * patch), edge=True)
    made = made.reshape(len(made), patch, 2, patch, 2, -1)
    return made.mean(axis=(2, 4))


def _inside(scores: Array, box: Array | None, patch: int) -> Array:
    """Scores `[b p q]`, 0 where a patch with that corner would leave its box.

    A corner that is as good as any keeps a little, for pictures without detail.
    """
    if box is None:
        return scores
    fits = []
    for i, n in enumerate(scores.shape[1:]):
        start, room = box[:, i, None], jnp.maximum(box[:, 2 + i, None] - patch, 0.0)
        place = jnp.arange(n)[None]
        fits.append((place >= start) & (place <= start + room))
    free = fits[0][:, :, None] & fits[1][:, None, :]
    return jnp.where(free, jnp.maximum(scores, 1e-12), 0.0)
