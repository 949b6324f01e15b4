"""Steps that were done in an environment: a ring of pictures, and what was done."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

__all__ = [
    "add_frame",
    "add_step",
    "empty",
    "read_steps",
    "sample",
    "take_steps",
    "write_steps",
]

# What is there for every place of the ring, and what counts.
_ROWS = ("frame", "action", "reward", "not_done", "time", "complete")
_COUNTS = ("head", "size", "acted", "episodes", "total", "last_return")
# What a file raises that is cut off or changed.
_DAMAGE = (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def empty(size: tuple[int, int], actions: int, capacity: int) -> dict[str, Any]:
    """An empty ring; a picture is kept once, however many stacks it is in.

    Args:
      size: height and width of pictures.
      actions: numbers of an action.
      capacity: places.

    Returns:
      Arrays with a row for each place: the picture there, what was done then, and
      whether the picture after it stands at the next place; and counters.
    """
    return {
        "frame": np.zeros((capacity, *size, 3), np.uint8),
        "action": np.zeros((capacity, actions), np.float32),
        "reward": np.zeros(capacity, np.float32),
        "not_done": np.ones(capacity, np.float32),
        "time": np.zeros(capacity, np.int32),
        "complete": np.zeros(capacity, bool),
        "head": 0,  # the place of the next picture
        "size": 0,
        "acted": 0,
        "episodes": 0,
        "total": 0.0,  # of the episode that goes on
        "last_return": 0.0,
    }


def add_frame(done: dict[str, Any], frame: Any, *, time: int) -> None:
    """Puts a picture over the oldest one.

    Args:
      done: from `empty`, changed in place.
      frame: uint8 [h w 3].
      time: how many came before it in its episode.
    """
    place, capacity = done["head"], len(done["frame"])
    done["frame"][place] = np.asarray(frame)
    done["time"][place], done["complete"][place] = time, False
    done["head"] = (place + 1) % capacity
    done["size"] = min(done["size"] + 1, capacity)


def add_step(done: dict[str, Any], turn: Any) -> None:
    """Adds what was done at the newest picture, and the picture after it.

    Args:
      done: from `empty`, changed in place.
      turn: `action`, `reward`, `ended`, `over`, `frame`, and `first`, the picture that
        begins the next episode where this one is over.
    """
    place = done["head"] - 1
    time, reward = int(done["time"][place]), float(turn.reward)
    done["action"][place] = np.asarray(turn.action)
    done["reward"][place], done["complete"][place] = reward, True
    done["not_done"][place] = 1.0 - float(turn.ended)
    add_frame(done, turn.frame, time=time + 1)
    done["acted"] += 1
    done["total"] += reward
    if turn.over:
        done["last_return"], done["total"] = done["total"], 0.0
        done["episodes"] += 1
        add_frame(done, turn.first, time=0)


def sample(
    done: dict[str, Any], count: int, *, frames: int, seed: Sequence[int]
) -> dict[str, np.ndarray]:
    """Draws steps, with replacement; their stacks never reach into another episode.

    Args:
      done: from `empty`.
      count: how many.
      frames: pictures of a stack.
      seed: of the draw.

    Returns:
      A batch: `image` and `next_image` uint8 [b h w 3*frames], `action`, `reward`,
      `not_done`, and `index`, their places.
    """
    capacity = len(done["frame"])
    oldest = (done["head"] - done["size"]) % capacity
    age = (np.arange(capacity) - oldest) % capacity
    whole = age >= np.minimum(done["time"], frames - 1)  # the rest is not overwritten
    places = np.flatnonzero(done["complete"] & whole & (age < done["size"]))
    place = places[np.random.default_rng(seed).integers(0, len(places), count)]
    batch = {name: done[name][place] for name in ("action", "reward", "not_done")}
    for name, ahead in (("image", 0), ("next_image", 1)):
        back = np.arange(frames - 1, -1, -1)[None]
        back = np.minimum(back, done["time"][place][:, None] + ahead)
        stack = done["frame"][(place[:, None] + ahead - back) % capacity]
        shape = (count, *stack.shape[2:4], 3 * frames)
        batch[name] = stack.transpose(0, 2, 3, 1, 4).reshape(shape)
    return {**batch, "index": place.astype(np.int32)}


def write_steps(folder: Any, done: dict[str, Any], more: Sequence[Any], *, keep: int):
    """Writes all of it, whole or not at all, and removes what is older than is kept.

    Args:
      folder: of this checkpoint, beside those of others.
      done: from `empty`.
      more: other arrays.
      keep: how many folders there are to be.
    """
    folder = epath.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: done[name][: done["size"]] for name in _ROWS}
    arrays |= {name: np.asarray(done[name]) for name in _COUNTS}
    arrays |= {f"more{i}": np.asarray(x) for i, x in enumerate(more)}
    with (folder / "writing.npz").open("wb") as file:
        np.savez(file, **arrays)
    (folder / "writing.npz").replace(folder / "steps.npz")  # of a save cut off
    others = sorted(
        (x for x in folder.parent.iterdir() if x.name.isdigit()), key=_number
    )
    for old in others[:-keep]:
        old.rmtree()


def _number(path: Any) -> int:
    return int(path.name)


def read_steps(folder: Any) -> dict[str, np.ndarray] | str:
    """Reads what `write_steps` wrote.

    Args:
      folder: of a checkpoint.

    Returns:
      Arrays by name, or in a sentence what is damaged.
    """
    path = epath.Path(folder) / "steps.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except FileNotFoundError:
        return (
            f"the steps of this run are not in {path}: without them it cannot go on as "
            "if never stopped"
        )
    except _DAMAGE as error:
        return f"{path} is damaged: {error}"
    lost = sorted({*_ROWS, *_COUNTS} - arrays.keys())
    return f"{path} is damaged: it has no {lost[0]}" if lost else arrays


def take_steps(done: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Puts steps that were read into a ring.

    Args:
      done: from `empty` of the same sizes, changed in place.
      arrays: from `read_steps`.

    Returns:
      The other arrays.

    Raises:
      ValueError: if they are of other sizes.
    """
    size, shape = int(arrays["size"]), done["frame"].shape
    if arrays["frame"].shape[1:] != shape[1:] or size > len(done["frame"]):
        raise ValueError(
            f"the checkpoint has {size} pictures of the shape "
            f"{arrays['frame'].shape[1:]}; the feed keeps {shape[0]} of {shape[1:]}"
        )
    for name in _ROWS:
        done[name][:size] = arrays[name]
    done |= {name: arrays[name].item() for name in _COUNTS}
    return [arrays[f"more{i}"] for i in range(len(arrays) - len(_ROWS + _COUNTS))]
