"""Views of clips: windows in all modalities, shuffled, reversed and shifted in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import augment
from sslax.checks import check_positive, check_probability
from sslax.kinds import Batch, Builder


def clips(
    *,
    size: int,
    frames: int,
    ahead: int,
    flip: float = 0.5,
    reach: float = 8.0,
    sound: tuple[float, float] = (0.0, 1.0),
) -> Builder:
    """A window of every clip as colours, flow, grey and sound, and what it is not.

    One place and time is cut out of all modalities. Colours and grey are in [-1, 1],
    flow is in units of `reach`, sound in deviations. A clip without sound gets that of
    another one, so that statistics never see silence: `has_sound` says what to mask.

    Args:
      size: side of the window in pixels.
      frames: t, how many frames it has.
      ahead: how many frames after it are to be predicted; also by how many the shifted
        window is later.
      flip: probability that a clip is flipped left to right.
      reach: flow of so many pixels becomes 1, and more too.
      sound: mean and deviation of the spectrogram, which are taken out.

    Returns:
      `(key, batch) -> batch` of a batch with `video` `[b n h w 3]`, `flow` (to the
      right and down, in pixels) `[b n h w 2]`, and where there is sound `sound`
      `[b k*n mels]` and `has_sound` `[b]`. Tuples of colours, flow, grey and sound
      `[b k*t mels 1]` are `batch["views"]` as it plays, "shuffled" with its frames in
      a random order (sound in pieces as long as a frame), "reversed" as it would play
      backward (flow has the other sign), "shifted" later, and "after": what follows.

    Raises:
      ValueError: if a number makes no sense; when called, if clips are shorter or
        smaller than the window, or the sound is not whole spectra a frame.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> video, flow = jnp.ones((2, 6, 20, 20, 3)), jnp.ones((2, 6, 20, 20, 2))
      >>> make = clips(size=16, frames=4, ahead=2)
      >>> batch = jax.jit(make)(jax.random.key(0), {"video": video, "flow": flow})
      >>> [v.shape for v in batch["views"]], batch["after"][2].shape
      ([(2, 4, 16, 16, 3), (2, 4, 16, 16, 2), (2, 4, 16, 16, 1)], (2, 2, 16, 16, 1))

    References:
      Piergiovanni et al., Evolving Losses for Unsupervised Video Representation
      Learning, 2020, arXiv:2002.12177, section 3.
    """
    check_positive(size=size, ahead=ahead, reach=reach, deviation=sound[1])
    check_probability(flip=flip)
    if frames < 2:
        raise ValueError(f"frames is {frames}; two or more can be out of order")

    def views(key, batch):
        time_key, place_key, flip_key, order_key = jax.random.split(key, 4)
        count, room = _room(batch, size, frames + ahead)
        start = jax.random.randint(time_key, (count,), 0, room[0] + 1)
        most = jnp.array([room[1:]]) + 1
        corner = jax.random.randint(place_key, (count, 2), 0, most)
        cut = _window(batch, start, corner, size, frames + ahead)
        flipped = jax.random.bernoulli(flip_key, flip, (count,))
        whole = _modalities(cut, flipped, reach, sound)
        pieces = [_pieces(x, frames + ahead) for x in whole]
        order = _shuffles(order_key, count, frames)
        now = [x[:, :frames] for x in pieces]
        made = {
            "views": now,
            "shuffled": [jax.vmap(lambda x, i: x[i])(x, order) for x in now],
            "shifted": [x[:, ahead:] for x in pieces],
            "after": [x[:, frames:] for x in pieces],
        }
        joined = {
            name: tuple(_joined(x, like) for x, like in zip(xs, whole, strict=True))
            for name, xs in made.items()
        }
        signs = (1, -1, 1, 1)
        back = tuple(
            sign * x[:, ::-1] for sign, x in zip(signs, joined["views"], strict=False)
        )
        return {**batch, **joined, "reversed": back}

    return views


def middle_clip(*, size: int, frames: int) -> Builder:
    """The middle of every clip in colours, for evaluation.

    Args:
      size: side of the window in pixels.
      frames: how many frames it has.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b t size size 3]` in
      [-1, 1], of `batch["video"]`.

    Raises:
      ValueError: when called, if clips are shorter or smaller than the window.

    Example:
      >>> import jax.numpy as jnp
      >>> make = middle_clip(size=16, frames=4)
      >>> make(None, {"video": jnp.ones((2, 6, 20, 20, 3))})["views"][0].shape
      (2, 4, 16, 16, 3)
    """
    check_positive(size=size, frames=frames)

    def views(key, batch):
        del key
        _, room = _room(batch, size, frames)
        first, top, left = (n // 2 for n in room)
        video = batch["video"][:, first : first + frames]
        video = video[:, :, top : top + size, left : left + size]
        return {**batch, "views": (2 * augment.to_float(video) - 1,)}

    return views


def _room(batch: Batch, size: int, frames: int) -> tuple[int, list[int]]:
    """The number of clips, and by how much they exceed the window in time and sides."""
    if "video" not in batch:
        raise ValueError(f"clips need `video` [b t h w 3]; got {sorted(batch)}")
    count, *sides, channels = batch["video"].shape
    room = [n - m for n, m in zip(sides, (frames, size, size), strict=True)]
    if min(room) < 0 or channels != 3:
        raise ValueError(
            f"a window of {frames} frames of {size} x {size} colours does not fit clips"
            f" of shape {tuple(batch['video'].shape[1:])}: give longer or larger clips,"
            " or a smaller window (frames and ahead, size)"
        )
    return count, room


def _window(batch: Batch, start, corner, size: int, frames: int) -> dict[str, Array]:
    """Cuts the same place and time out of video, flow and sound."""

    def cut(x, first, at):
        shape = (frames, size, size, x.shape[-1])
        return jax.lax.dynamic_slice(x, (first, at[0], at[1], 0), shape)

    found = {k: jax.vmap(cut)(batch[k], start, corner) for k in ("video", "flow")}
    if "sound" in batch:
        length, sound = batch["video"].shape[1], batch["sound"]
        per = sound.shape[1] // length
        if per * length != sound.shape[1] or not per:
            raise ValueError(
                f"sound has {sound.shape[1]} spectra for {length} frames; it needs a"
                " whole number for each frame"
            )
        if "has_sound" in batch:
            sound = sound[_with_sound(batch["has_sound"])]
        found["sound"] = jax.vmap(
            lambda x, first: jax.lax.dynamic_slice_in_dim(x, first, per * frames)
        )(sound, per * start)
    return found


def _with_sound(has_sound: Array) -> Array:
    """For every clip one with sound: itself, or another where it has none."""
    has_sound, rows = has_sound.astype(bool), jnp.arange(len(has_sound))
    first = jnp.argsort(~has_sound, stable=True)
    turn = rows % jnp.maximum(has_sound.sum(), 1)
    return jnp.where(has_sound, rows, first[turn])


def _modalities(
    cut: dict[str, Array], flipped: Array, reach: float, sound: Sequence[float]
) -> list[Array]:
    """Colours, flow, grey and, where there is some, sound."""

    def turned(x: Array, sign: Any = 1) -> Array:
        chosen = flipped.reshape(-1, 1, 1, 1, 1)
        return jnp.where(chosen, sign * x[:, :, :, ::-1], x)

    video = turned(augment.to_float(cut["video"]))
    flow = turned(
        cut["flow"].astype(video.dtype),
        jnp.array([-1, 1], video.dtype).reshape(1, 1, 1, 1, 2),
    )
    images = video.reshape(-1, *video.shape[2:])
    grey = augment.grayscale(images)[..., :1].reshape(*video.shape[:-1], 1)
    made = [2 * video - 1, jnp.clip(flow / reach, -1, 1), 2 * grey - 1]
    if "sound" in cut:
        made.append(((cut["sound"] - sound[0]) / sound[1])[..., None])
    return made


def _shuffles(key: Array, count: int, frames: int) -> Array:
    """A random order of the frames for each clip, never the right one."""
    order = jnp.argsort(jax.random.uniform(key, (count, frames)), axis=1)
    right = jnp.all(order == jnp.arange(frames)[None], axis=1, keepdims=True)
    return jnp.where(right, jnp.roll(order, 1, axis=1), order)


def _pieces(x: Array, frames: int) -> Array:
    """`[b k*frames ...]` as `[b frames k ...]`."""
    return x.reshape(x.shape[0], frames, -1, *x.shape[2:])


def _joined(pieces: Array, like: Array) -> Array:
    return pieces.reshape(pieces.shape[0], -1, *like.shape[2:])
