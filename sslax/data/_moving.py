"""Procedural clips: one shape that moves on a texture, its flow, and its sound."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from sslax.data._fields import LABEL, Example, Field
from sslax.data._sources import Source
from sslax.data._synthetic import SHAPES, texture

SOUNDS = 4
"""Spectra of sound in the time of one frame."""

# Of the time in [0, 1], a direction and a pace near 1: by how much the shape is moved
# down and to the right, in sides of the image, turned, and the log of its growth.
Motion = Callable[[np.ndarray, float, float], tuple]
MOTIONS: dict[str, Motion] = {
    "slide": lambda s, way, pace: (
        *(0.5 * pace * (s - 0.5) * axis for axis in (np.sin(way), np.cos(way))),
        0 * s,
        0 * s,
    ),
    "fall": lambda s, way, pace: (0.5 * pace * s**2 - 0.25, 0 * s, 0 * s, 0 * s),
    "bounce": lambda s, way, pace: (
        0.2 - 0.5 * np.abs(np.cos(3 * np.pi * pace * s)) * np.exp(-2 * s),
        0 * s,
        0 * s,
        0 * s,
    ),
    "orbit": lambda s, way, pace: (
        0.2 * np.sin(way + 2 * np.pi * pace * s),
        0.2 * np.cos(way + 2 * np.pi * pace * s),
        0 * s,
        0 * s,
    ),
    "spin": lambda s, way, pace: (0 * s, 0 * s, 4 * pace * s, 0 * s),
    "swing": lambda s, way, pace: (
        0 * s,
        0.3 * np.cos(4 * np.pi * pace * s) * np.exp(-1.5 * s),
        0 * s,
        0 * s,
    ),
    "grow": lambda s, way, pace: (0 * s, 0 * s, 0 * s, pace * (s - 0.5)),
    "pulse": lambda s, way, pace: (
        0 * s,
        0 * s,
        0 * s,
        0.5 * np.sin(4 * np.pi * pace * s) * np.exp(-1.5 * s),
    ),
}


def moving_shapes(
    *,
    split: str = "train",
    size: int = 32,
    frames: int = 16,
    mels: int = 16,
    silent: float = 0.0,
    skew: float = 0.0,
    length: int = 1024,
    seed: int = 0,
) -> Source:
    """Draws clips of a moving shape; clip i depends on the seed, the split and i alone.

    Each has `video` uint8 [t h w 3]; its exact optical flow, `flow` float16 [t h w 2]:
    by how many pixels what is seen there moves to the right and down until the next
    frame; and `sound` float32 [4t mels], a log-mel spectrogram that is as loud as the
    shape is fast, higher the higher and the smaller it is, with an overtone by shape.
    The class, `label`, is the motion; `shape` is the number of the shape. Most motions
    (not slide, orbit and spin) tell forward from backward.

    Args:
      split: any name; each has clips of its own.
      size: side of the frames in pixels.
      frames: t, how many a clip has.
      mels: bands of the sound.
      silent: share of clips without sound: theirs is 0, and so is `has_sound`.
      skew: of the classes: the share of number k, from 1 on, is as k ** -skew. 0 makes
        all alike, 1 is Zipf's law.
      length: how many clips there are.
      seed: of all that is drawn.

    Returns:
      The source.

    Raises:
      ValueError: if a size is too small, or the share is not in [0, 1].

    Example:
      >>> from sslax import data
      >>> clip = data.moving_shapes(size=16, frames=8)[3]
      >>> clip["video"].shape, clip["flow"].shape, clip["sound"].shape
      ((8, 16, 16, 3), (8, 16, 16, 2), (32, 16))
    """
    sizes = (("size", size, 4), ("frames", frames, 2), ("mels", mels, 4))
    for what, value, least in (*sizes, ("length", length, 1)):
        if value < least:
            raise ValueError(f"moving_shapes: {what} is {value}, at least {least}")
    if not 0 <= silent <= 1:
        raise ValueError(f"moving_shapes: silent is {silent}, a share in [0, 1]")
    if skew < 0:
        raise ValueError(f"moving_shapes: skew is {skew}, at least 0")
    return Source(
        name=f"moving_shapes/{split}",
        length=length,
        read=partial(
            _read,
            # A seed sequence takes numbers: splits are told apart by a sum.
            (seed, zlib.crc32(split.encode())),
            (frames, size, mels, silent, skew),
        ),
        fields={
            "video": Field((frames, size, size, 3), "uint8"),
            "flow": Field((frames, size, size, 2), "float16"),
            "sound": Field((SOUNDS * frames, mels), "float32"),
            "has_sound": Field((), "bool"),
            "label": LABEL,
            "shape": LABEL,
        },
        class_names=tuple(MOTIONS),
        labels=_classes(np.arange(length), skew),
    )


def _classes(index: np.ndarray, skew: float) -> np.ndarray:
    """The class of each clip: shares are kept by every run of clips."""
    if skew == 0:
        return (index % len(MOTIONS)).astype(np.int32)
    shares = np.arange(1, len(MOTIONS) + 1.0) ** -skew
    borders = np.cumsum(shares / shares.sum())[:-1]
    # Multiples of the golden ratio lie evenly in [0, 1), however many there are.
    spread = (index + 1) * (5**0.5 - 1) / 2 % 1
    return np.searchsorted(borders, spread, side="right").astype(np.int32)


def _read(
    seeds: tuple[int, int],
    sizes: tuple[int, int, int, float, float],
    indices: Sequence[int],
    draws: Sequence[int],
) -> list[Example]:
    del draws
    return [_example(seeds, sizes, int(index)) for index in indices]


def _example(
    seeds: tuple[int, int], sizes: tuple[int, int, int, float, float], index: int
) -> Example:
    frames, size, mels, silent, skew = sizes
    rng = np.random.default_rng((*seeds, index))
    label = int(_classes(np.array([index]), skew)[0])
    shape = index // len(MOTIONS) % len(SHAPES)
    pose = _path(rng, list(MOTIONS.values())[label])
    # One time more than there are frames: the flow of the last leads there.
    video, flow = _seen(rng, pose(np.arange(frames + 1) / frames), shape, size)
    times = np.arange(SOUNDS * frames + 1) / (SOUNDS * frames)
    sound, has_sound = _heard(rng, pose(times), shape, mels), rng.uniform() >= silent
    return {
        "video": video,
        "flow": flow.astype(np.float16),
        "sound": sound if has_sound else np.zeros_like(sound),
        "has_sound": np.bool_(has_sound),
        "label": label,
        "shape": shape,
    }


def _path(
    rng: np.random.Generator, motion: Motion
) -> Callable[[np.ndarray], np.ndarray]:
    """Draw where a shape is at any times [n]: row, column, turn and radius, [4 n]."""
    row, column = rng.uniform(0.4, 0.6, 2)
    turn, way = rng.uniform(0, 2 * np.pi, 2)
    radius, pace = rng.uniform(0.14, 0.22), rng.uniform(0.7, 1.3)
    middle = np.array([row, column, turn])[:, None]

    def pose(times: np.ndarray) -> np.ndarray:
        down, right, turned, growth = motion(times, way, pace)
        moved = middle + np.stack([down, right, turned])
        return np.concatenate([moved, [radius * np.exp(growth)]])

    return pose


def _seen(
    rng: np.random.Generator, pose: np.ndarray, shape: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The frames, uint8 [t h w 3], and the flow [t h w 2]; the pose is of t + 1."""
    now, after = pose[:, :-1, None, None], pose[:, 1:, None, None]
    at = (np.arange(size) + 0.5) / size
    right, down = at[None, None, :] - now[1], at[None, :, None] - now[0]
    x, y = _turned(right, down, -now[2], 1 / now[3])
    mask = list(SHAPES.values())[shape](x, y)[..., None]
    middle = pose[3].mean()  # the texture of the shape grows with it
    front = texture(rng, middle * x, middle * y)
    back = texture(rng, at[None, :], at[:, None])
    video = np.clip(np.rint(255 * np.where(mask, front, back)), 0, 255)
    then = _turned(right, down, after[2] - now[2], after[3] / now[3])
    flow = np.stack(
        [then[0] + after[1] - now[1] - right, then[1] + after[0] - now[0] - down], -1
    )
    return video.astype(np.uint8), np.where(mask, size * flow, 0)


def _turned(x, y, angle, scale) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return x * cos - y * sin, x * sin + y * cos


def _heard(
    rng: np.random.Generator, pose: np.ndarray, shape: int, mels: int
) -> np.ndarray:
    """The log-mel spectrogram, float32 [n mels]; the pose is of n + 1 times."""
    row, _, _, radius = now = pose[:, :-1]
    down, right, turned, grown = (pose[:, 1:] - now) * now.shape[1]
    speed = np.hypot(down, right) + radius * np.abs(turned) + np.abs(grown)
    pitch = np.clip(0.75 - 0.5 * row - 0.5 * radius, 0.05, 0.6)
    band, power = (np.arange(mels) + 0.5) / mels, rng.uniform(0.005, 0.015, (mels,))
    power = power + 0 * row[:, None]
    for tone, share in ((pitch, 1.0), (pitch + 0.1 + 0.04 * shape, 0.5)):
        near = np.exp(-0.5 * ((band - tone[:, None]) / 0.04) ** 2)
        power += share * speed[:, None] * near
    return np.log(power).astype(np.float32)
