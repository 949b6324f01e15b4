"""State that outlives a step: moving averages, queues, banks, centres. All pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32, unit, value_at
from sslax.checks import check_probability

__all__ = [
    "ema",
    "enqueue",
    "follows",
    "log_constant",
    "push",
    "update_bank",
    "update_centre",
]


def ema(old: Any, new: Any, *, momentum: ArrayLike) -> Any:
    """The exponential moving average of two trees: `m * old + (1 - m) * new`.

    The teacher of MoCo, BYOL and DINO. Leaves that are not floating point (counters)
    are taken from `new`.

    Args:
      old: a tree of arrays.
      new: a tree of the same structure and shapes.
      momentum: in [0, 1]; 1 keeps the old tree, 0 takes the new one. May be traced.

    Returns:
      A tree with the dtypes of `old`.

    Raises:
      ValueError: if the momentum is known and outside [0, 1].

    Example:
      >>> import jax.numpy as jnp
      >>> ema({"w": jnp.array(1.0)}, {"w": jnp.array(3.0)}, momentum=0.5)["w"].item()
      2.0

    References:
      He et al., "Momentum Contrast for Unsupervised Visual Representation Learning",
      2019, arXiv:1911.05722, equation 2.
    """
    check_probability(momentum=momentum)

    def average(before, after):
        before, after = jnp.asarray(before), jnp.asarray(after)
        if not jnp.issubdtype(before.dtype, jnp.floating):
            return after.astype(before.dtype)
        wide = at_least_float32(before)
        m = jnp.asarray(momentum, wide.dtype)
        mixed = m * wide + (1 - m) * after.astype(wide.dtype)
        return mixed.astype(before.dtype)

    return jax.tree.map(average, old, new)


def follows(
    groups: Sequence[str],
    *,
    momentum: Callable[..., ArrayLike] | ArrayLike,
    ahead: bool = False,
) -> Callable[..., tuple[Any, Any]]:
    """The usual `after_update`: a teacher follows the student by EMA.

    Args:
      groups: names of the parameter groups that `extra["teacher"]` holds.
      momentum: a number, or a schedule of it by the step of the update.
      ahead: the average belongs to the next step and has its momentum. MoCo v3 and
        PixPro average at the head of a step, with the weights that the last one left.

    Returns:
      `(params, extra, *, step) -> (params, extra)`.

    Raises:
      ValueError: if the momentum at the first step is outside [0, 1].

    Example:
      >>> after = follows(("encoder",), momentum=0.5)
      >>> params = {"encoder": {"w": jnp.array(3.0)}, "predictor": {}}
      >>> extra = {"teacher": {"encoder": {"w": jnp.array(1.0)}}}
      >>> _, extra = after(params, extra, step=0)
      >>> extra["teacher"]["encoder"]["w"].item()
      2.0
    """

    check_probability(momentum=value_at(momentum, 0))

    def after_update(params, extra, *, step):
        student = {name: params[name] for name in groups}
        value = value_at(momentum, step + ahead)
        return params, {
            **extra,
            "teacher": ema(extra["teacher"], student, momentum=value),
        }

    return after_update


def enqueue(
    queue: Float[Array, "n d"], head: Int[Array, ""], items: Float[Array, "b d"]
) -> tuple[Float[Array, "n d"], Int[Array, ""]]:
    """Writes a batch over the oldest entries of a circular queue.

    Args:
      queue: the entries.
      head: where the next batch starts, int32 in [0, n).
      items: the new entries, in order.

    Returns:
      The queue with `items` at positions `(head + i) mod n`, and the next head.

    Raises:
      ValueError: if there are more items than places, or if the widths differ.

    Example:
      >>> import jax.numpy as jnp
      >>> queue, head = enqueue(jnp.zeros((3, 1)), jnp.int32(2), jnp.ones((2, 1)))
      >>> queue[:, 0].tolist(), int(head)
      ([1.0, 0.0, 1.0], 1)

    Note:
      The official MoCo asks for a queue that is a multiple of the batch. This one
      wraps around, as CMC and PyContrast do, and equals MoCo where MoCo runs.

    References:
      He et al., "Momentum Contrast for Unsupervised Visual Representation Learning",
      2019, arXiv:1911.05722, algorithm 1.
    """
    _check_items(queue, items)
    count, places = items.shape[0], queue.shape[0]
    where = (head + jnp.arange(count, dtype=head.dtype)) % places
    queue = queue.at[where].set(items.astype(queue.dtype))
    return queue, (head + count) % places


def push(queue: Float[Array, "n d"], items: Float[Array, "b d"]) -> Float[Array, "n d"]:
    """Puts a batch in front of a queue and drops as many entries at its end.

    SwAV's queue, newest first. It has no head, at the cost of moving every entry;
    `enqueue` writes in place.

    Args:
      queue: the entries, newest first.
      items: the new entries.

    Returns:
      `concatenate([items, queue])`, cut to the length of the queue.

    Raises:
      ValueError: if there are more items than places, or if the widths differ.

    Example:
      >>> import jax.numpy as jnp
      >>> push(jnp.array([[1.0], [2.0], [3.0]]), jnp.array([[7.0]]))[:, 0].tolist()
      [7.0, 1.0, 2.0]

    References:
      Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
      Assignments", 2020, arXiv:2006.09882, section 3.1 (small batches).
    """
    _check_items(queue, items)
    kept = queue[: queue.shape[0] - items.shape[0]]
    return jnp.concatenate([items.astype(queue.dtype), kept])


def update_bank(
    bank: Float[Array, "n d"],
    index: Int[Array, " b"],
    items: Float[Array, "b d"],
    *,
    momentum: ArrayLike = 0.5,
) -> Float[Array, "n d"]:
    """Mixes new features into their entries of a bank, and normalises these.

    bank_i <- normalise( m bank_i + (1 - m) x_i )

    Args:
      bank: one unit vector per image of the data set.
      index: the image of each item, in [0, n).
      items: unit vectors.
      momentum: m, the share of the old entry, in [0, 1]; InstDisc and CMC use 0.5.

    Returns:
      The bank. Of images that occur twice in `index`, one item is kept; a mixture
      shorter than 1e-12 has no direction and leaves the old entry.

    Raises:
      ValueError: if the shapes do not fit or the momentum is outside [0, 1].

    Example:
      >>> import jax.numpy as jnp
      >>> bank = jnp.array([[1.0, 0.0], [0.0, 1.0]])
      >>> update_bank(bank, jnp.array([1]), jnp.array([[1.0, 0.0]])).round(3).tolist()
      [[1.0, 0.0], [0.7070000171661377, 0.7070000171661377]]

    References:
      Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination", 2018, arXiv:1805.01978, section 3.2.
    """
    check_probability(momentum=momentum)
    if items.shape[1:] != bank.shape[1:] or index.shape != items.shape[:1]:
        raise ValueError(
            f"items {items.shape} and index {index.shape} do not fit the bank "
            f"{bank.shape}"
        )
    old = at_least_float32(bank[index])
    m = jnp.asarray(momentum, old.dtype)
    direction = unit(m * old + (1 - m) * items.astype(old.dtype))
    some = jnp.any(direction != 0, axis=1, keepdims=True)
    entry = jnp.where(some, direction, old)
    return bank.at[index].set(entry.astype(bank.dtype))


def log_constant(scores: Float[Array, "*b k"], *, size: int) -> Float[Array, ""]:
    """The logarithm of the normaliser Z of NCE, estimated from one batch of scores.

    log Z = log( n mean e^s )

    InstDisc and CMC take it from the very first batch and keep it for the whole run,
    one for each direction: it belongs into the state.

    Args:
      scores: `losses.bank_scores` of the first batch, data and noise.
      size: n, the number of images in the bank.

    Returns:
      A scalar for `log_constant` of `losses.nce`.

    Raises:
      ValueError: if there are no scores or if the size is below 1.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(log_constant(jnp.zeros((2, 3)), size=8)), 4)
      2.0794

    References:
      Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination", 2018, arXiv:1805.01978, equation 8.
    """
    if scores.size == 0 or size < 1:
        raise ValueError(
            f"expected scores and a positive size, got {scores.shape} and {size}"
        )
    return jax.nn.logsumexp(at_least_float32(scores)) + math.log(size / scores.size)


def update_centre(
    centre: Float[Array, " k"],
    logits: Float[Array, "*b k"],
    *,
    momentum: ArrayLike = 0.9,
) -> Float[Array, " k"]:
    """DINO's centre: a moving average of the teacher's mean logits.

    centre <- m centre + (1 - m) mean(logits)

    Args:
      centre: the centre that this batch's loss has used.
      logits: raw logits of the teacher, before centring, any leading axes.
      momentum: m, in [0, 1]; the paper uses 0.9.

    Returns:
      The centre for the next batch.

    Raises:
      ValueError: if the widths differ or the momentum is outside [0, 1].

    Example:
      >>> import jax.numpy as jnp
      >>> update_centre(jnp.zeros(2), jnp.ones((3, 2)), momentum=0.75).tolist()
      [0.25, 0.25]

    References:
      Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", 2021,
      arXiv:2104.14294, equation 4.
    """
    if centre.shape != logits.shape[-1:]:
        raise ValueError(
            f"centre {centre.shape} must have the width of the logits {logits.shape}"
        )
    mean = jnp.mean(at_least_float32(logits), axis=tuple(range(logits.ndim - 1)))
    return ema(centre, mean, momentum=momentum)


def _check_items(queue: Array, items: Array) -> None:
    if items.shape[1:] != queue.shape[1:] or items.shape[0] > queue.shape[0]:
        raise ValueError(f"items {items.shape} do not fit the queue {queue.shape}")
