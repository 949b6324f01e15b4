"""The terms of Evolving Losses: what is asked of the features, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax import losses
from sslax.arrays import at_least_float32
from sslax.core import Batch, Net
from sslax.nets import fold, unfold

__all__ = ["COPIES", "TASKS", "asked", "distilled", "heads", "partner", "terms"]

TASKS = (
    "reconstruction",
    "prediction",
    "transfer",
    "order",
    "direction",
    "contrast",
    "alignment",
)
COPIES = ("views", "shuffled", "reversed", "shifted")
"""The copies of a clip that an encoder sees, in the order of its features."""

Features = Mapping[str, Sequence[Float[Array, "b d"]]]


def partner(place: int) -> int:
    """With which modality one is compared: with the first, the first with the next."""
    return 0 if place else 1


def heads(nets: Mapping[str, Net]) -> Net:
    """Heads by name beside each other; each reads the inputs that have its name."""

    def init(key, inputs):
        params, stats = {}, {}
        for i, (name, net) in enumerate(nets.items()):
            own = jax.random.fold_in(key, i)
            params[name], stats[name] = net.init(own, *inputs[name])
        return params, stats

    def apply(params, stats, inputs, *, train=False, key=None, order=None):
        del order
        out, new = {}, {}
        for i, (name, net) in enumerate(nets.items()):
            own = None if key is None else jax.random.fold_in(key, i)
            out[name], new[name] = net.apply(
                params[name], stats[name], *inputs[name], train=train, key=own
            )
        return out, new

    return Net(init, apply)


def asked(features: Features, batch: Batch, place: int) -> dict[str, tuple[Array, ...]]:
    """What the heads of a modality are given.

    Args:
      features: by modality, those of its copies.
      batch: what `views.clips` made.
      place: which modality.

    Returns:
      Inputs by task; what is told apart stands beside each other, as `fold` does.
    """
    own, shuffled, back, shifted = list(features.values())[place]
    other = partner(place)
    beside = list(features.values())[other][0]

    def pair(x: Array, y: Array) -> Array:
        return jnp.concatenate([x, y], axis=1)

    pairs = [pair(own, beside), pair(shifted, beside), pair(own, _foreign(beside))]
    return {
        "reconstruction": (own, batch["views"][place]),
        "prediction": (own, batch["after"][place]),
        "transfer": (own, batch["views"][other]),
        "order": (fold([own, shuffled]),),
        "direction": (fold([own, back]),),
        "alignment": (fold(pairs),),
    }


def terms(
    answers: Mapping[str, Array],
    inputs: Mapping[str, tuple[Array, ...]],
    features: Features,
    present: Sequence[Array],
    *,
    place: int,
    margin: float,
) -> tuple[list[Array], dict[str, Array]]:
    """The seven terms of a modality, and the share of right answers.

    Args:
      answers: of the heads, by task.
      inputs: what they were given.
      features: by modality.
      present: by modality `[b]`, 1 for clips that have it.
      place: which modality.
      margin: of the contrast.

    Returns:
      Terms in the order of `TASKS`; accuracies of those that tell apart.
    """
    here, there = present[place], present[partner(place)]
    both = here * there
    costs = {
        task: losses.evolving_reconstruction(answers[task], inputs[task][1], known)
        for task, known in (
            ("reconstruction", here),
            ("prediction", here),
            ("transfer", both),
        )
    }
    known = {
        "order": (here, here),
        "direction": (here, here),
        "alignment": (both, both, here * _foreign(there)),
    }
    right = {}
    for task, who in known.items():
        costs[task], right[task] = _told(answers[task][:, 0], who)
    own, beside = (
        losses.unit(list(features.values())[i][0]) for i in (place, partner(place))
    )
    costs["contrast"] = losses.cross_modal_contrast(
        own, beside, _foreign(beside), both * _foreign(there), margin=margin
    )
    return [costs[task] for task in TASKS], right


def distilled(
    main: Mapping[str, Array], other: Mapping[str, Array], present: Array
) -> list[Array]:
    """Layers of the main network follow those of another, which get no gradient.

    Where their places differ, as those of sound do, their means over places follow.

    Args:
      main: layers by name.
      other: layers of the same names.
      present: `[b]`, 1 for clips that have the other modality.

    Returns:
      A term for each layer, in order.
    """
    found = []
    for name, layer in main.items():
        taught = other[name]
        if layer.shape[-1] != taught.shape[-1]:
            raise ValueError(
                f"distillation compares {name} of {layer.shape[-1]} channels with one "
                f"of {taught.shape[-1]}: give the encoders one width"
            )
        if layer.shape != taught.shape:
            layer, taught = _over_places(layer), _over_places(taught)
        still = jax.lax.stop_gradient(taught)
        found.append(losses.evolving_distillation(still, layer, present))
    return found


def _over_places(x: Array) -> Array:
    return at_least_float32(x).mean(axis=tuple(range(1, x.ndim - 1)))


def _foreign(x: Array) -> Array:
    """What belongs to another clip of the batch."""
    return jnp.roll(x, 1, axis=0)


def _told(answers: Array, present: Sequence[Array]) -> tuple[Array, Array]:
    """Cross-entropy and accuracy; the first of several is true, the others are not."""
    true, *false = unfold(answers, len(present))
    false, false_present = jnp.concatenate(false), jnp.concatenate(present[1:])
    yes, no = jnp.ones_like(true), jnp.zeros_like(false)
    # Half of the weight for either, however many are false.
    cost = losses.evolving_detection(true, yes, present[0])
    cost += losses.evolving_detection(false, no, false_present)
    right = [
        jnp.sum(hit * known) / jnp.maximum(jnp.sum(known), 1)
        for hit, known in ((true > 0, present[0]), (false <= 0, false_present))
    ]
    return cost / 2, sum(right) / 2
