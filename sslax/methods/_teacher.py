"""The wiring of a student whose teacher is its own moving average, and its reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import memory
from sslax.core import Aux, Batch, Method, Net, Output, compared
from sslax.nets import Reads, chain, each, readings, views_of
from sslax.schedules import Schedule

__all__ = ["entropy", "of_teacher", "taught"]


def taught(
    parts: Mapping[str, Net],
    shared: Sequence[str],
    compare: Callable[[Sequence[Any], Sequence[Any], Batch], Array],
    *,
    momentum: Schedule | float,
    ahead: bool = False,
    reads: Reads | None = None,
    least: int = 1,
    separable: bool = False,
) -> Method:
    """Two views pass, one after the other, through student and teacher.

    So batch norm never mixes them. The teacher runs on the statistics of its own
    batches, and keeps running ones that are not averaged.

    Args:
      parts: the nets of the student by name, in order; the first is the "encoder".
      shared: the names of those that the teacher has too.
      compare: `(online, slow, batch) -> scalar`: of what the heads of the student and
        of the teacher give, by name, for each view; the teacher's have no gradient.
      momentum: momentum of the teacher, a number or a schedule.
      ahead: see `memory.follows`.
      reads: see `nets.chain`.
      least: how few images a batch may have.
      separable: see `Objective`.

    Returns:
      A method with the groups that `parts` names, for batches of two views.
    """
    student = chain(**parts, reads=reads)
    teacher = chain(
        **{name: parts[name] for name in shared},
        reads={name: what for name, what in (reads or {}).items() if name in shared},
    )

    def init(key, batch):
        params, stats = student.init(key, views_of(batch, 2, least=least)[0])
        return params, {
            "stats": stats,
            "teacher": {name: params[name] for name in shared},
            "teacher_stats": {name: stats[name] for name in shared},
        }

    def embed(params, extra, batch, *, key, step):
        del step
        keys, views = jax.random.split(key), views_of(batch, 2, least=least)
        online, stats = each(student, params, extra["stats"], views, key=keys[0])
        slow, teacher_stats = each(
            teacher, extra["teacher"], extra["teacher_stats"], views, key=keys[1]
        )
        found = [[_heads(out) for out in net] for net in (online, slow)]
        return found, {"stats": stats, "teacher_stats": teacher_stats}

    def compared_with_teacher(params, extra, batch, embeddings, *, key, step):
        del params, key, step
        online, slow = embeddings
        return compare(online, jax.lax.stop_gradient(slow), batch), Aux(extra)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compared_with_teacher, separable=separable)},
        outputs=readings(student, "encoder", parts["encoder"]),
        after_update=memory.follows(shared, momentum=momentum, ahead=ahead),
    )


def _heads(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared: not the features and maps of the encoder, which are large."""
    return {name: out for name, out in outputs.items() if name != "encoder"}


def of_teacher(outputs: Mapping[str, Output]) -> dict[str, Output]:
    """Outputs read of the teacher, where it and not the student is evaluated.

    Args:
      outputs: of the student, as `nets.readings` gives them.

    Returns:
      The same of `extra["teacher"]` and `extra["teacher_stats"]`.
    """

    def turned(read):
        def output(params, extra, batch, *, key):
            del params
            extra = {**extra, "stats": extra["teacher_stats"]}
            return read(extra["teacher"], extra, batch, key=key)

        return output

    return {kind: turned(read) for kind, read in outputs.items()}


def entropy(logits: Array) -> Array:
    """The mean entropy of the classes that logits stand for: 0 if each image has one.

    Args:
      logits: of classes on the last axis.

    Returns:
      A scalar, at most the logarithm of their number.
    """
    log_p = jax.nn.log_softmax(logits, axis=-1)
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1).mean()
