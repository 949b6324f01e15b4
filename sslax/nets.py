"""What methods do with nets: chains, several views, and what is read of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax.arrays import at_least_float32
from sslax.checks import check_count
from sslax.core import Batch, Net, Output

__all__ = [
    "by_size",
    "chain",
    "each",
    "features_of",
    "fold",
    "main_output",
    "project_crops",
    "readings",
    "unfold",
    "views_of",
]


def main_output(net: Net, output: Any) -> Any:
    """The array that stands for a net, where it gives several by name.

    Args:
      net: the net.
      output: what it gave.

    Returns:
      The output of the first of its names, or the output itself.

    Example:
      >>> from sslax import models
      >>> net = models.convnet(output=("pooled", "map"))
      >>> main_output(net, {"map": 1, "pooled": 2})
      2
    """
    return output[net.outputs[0]] if net.outputs else output


Reads = Mapping[str, tuple[str, str | None]]  # see `chain`


def chain(*, reads: Reads | None = None, **nets: Net) -> Net:
    """Runs nets in order; the output is a dict of every net's output by name.

    Args:
      reads: by name, what a net takes where that is not the main output of the one
        before: the name of an earlier net, and of one of its outputs or None.
      **nets: nets by name, in order.

    Returns:
      A net whose parameters and statistics are dicts keyed by the names.

    Raises:
      ValueError: if a net reads an output that the other does not give.
    """
    before: dict = {b: (a, None) for a, b in itertools.pairwise(nets)} | (reads or {})
    for name, (part, output) in before.items():
        if output not in (None, *nets[part].outputs):
            raise ValueError(
                f"the {name} reads {output!r} of the {part}, which gives "
                f"{nets[part].outputs or 'one array'}; make it with "
                f"output=('pooled', {output!r})"
            )

    read = {part for part, _ in before.values()}

    def inputs_of(name, out, inputs):
        if name not in before:
            return inputs
        part, output = before[name]
        return (out[part][output] if output else main_output(nets[part], out[part]),)

    def init(key, *inputs):
        params, stats, out = {}, {}, {}
        for i, (name, net) in enumerate(nets.items()):
            given = inputs_of(name, out, inputs)
            params[name], stats[name] = net.init(jax.random.fold_in(key, i), *given)
            if name in read:
                out[name], _ = net.apply(params[name], stats[name], *given)
        return params, stats

    def apply(params, stats, *inputs, train=False, key=None, order=None):
        out, new, options = {}, {}, {"train": train}
        options |= {} if order is None else {"order": order}
        for i, (name, net) in enumerate(nets.items()):
            given = inputs_of(name, out, inputs)
            options["key"] = None if key is None else jax.random.fold_in(key, i)
            named = jax.named_scope(name)(net.apply)
            out[name], new[name] = named(params[name], stats[name], *given, **options)
        return out, new

    return Net(init, apply)


def features_of(net: Net, name: str, output: str | None = None) -> Output:
    """One output of a chain for `Method.outputs`, in inference mode.

    Args:
      net: a net made by `chain`.
      name: the name of the part.
      output: which of the arrays, where the part gives several by name.

    Returns:
      `(params, extra, batch, *, key) -> output` of the first view, at least float32.
    """

    def features(params, extra, batch, *, key):
        del key
        found = net.apply(params, extra["stats"], batch["views"][0])[0][name]
        return jax.tree.map(at_least_float32, found[output] if output else found)

    return features


# What a network may give beside its main output, that tasks and the report can read.
_READ = ("map", "attention")


def readings(net: Net, name: str, part: Net) -> dict[str, Output]:
    """The usual `Method.outputs`: the features, and what else the encoder gives.

    An encoder made with `output=("pooled", "map", "attention")` gives all three: its
    main output are the features, the others are read by dense tasks and the report.

    Args:
      net: a net made by `chain`.
      name: the name of the encoder in it.
      part: the encoder.

    Returns:
      "features", and "map" and "attention" where the encoder gives them.
    """
    main = part.outputs[0] if part.outputs else None
    more = {k: features_of(net, name, k) for k in _READ if k in part.outputs}
    return {"features": features_of(net, name, main), **more}


def each(
    net: Net, params: Any, stats: Any, views: Sequence[Array], *, key: Array
) -> tuple[list[Any], Any]:
    """Trains on one view after the other, so that each has batch statistics of its own.

    Args:
      net: the net.
      params: its parameters.
      stats: its statistics, passed from view to view.
      views: arrays `[b ...]`.
      key: of dropout; every view draws its own.

    Returns:
      The output of each view, and the statistics after the last.
    """
    outputs = []
    for i, view in enumerate(views):
        out, stats = net.apply(
            params, stats, view, train=True, key=jax.random.fold_in(key, i)
        )
        outputs.append(out)
    return outputs, stats


def by_size(
    net: Net, params: Any, stats: Any, views: Sequence[Array], *, key: Array | None
) -> tuple[list[Any], Any]:
    """Trains on views of several sizes, those of one size in one pass (multi-crop).

    Args:
      net: the net.
      params: its parameters.
      stats: its statistics, passed from size to size.
      views: arrays `[b h w c]`, those of one size beside each other.
      key: of dropout; every pass draws its own. None drops nothing.

    Returns:
      The output of each view, and the statistics after the last pass.
    """
    outputs, start = [], 0
    while start < len(views):
        stop = start
        while stop < len(views) and views[stop].shape == views[start].shape:
            stop += 1
        group, count = views[start:stop], stop - start
        own = None if key is None else jax.random.fold_in(key, start)
        out, stats = net.apply(params, stats, fold(group), train=True, key=own)
        parts = jax.tree.map(lambda x, n=count: unfold(x, n), out)
        outputs += [
            jax.tree.map(lambda _, part, i=i: part[i], out, parts) for i in range(count)
        ]
        start = stop
    return outputs, stats


def project_crops(
    encoder: Net,
    head: Net,
    params: Any,
    stats: Any,
    views: Sequence[Array],
    *,
    key: Array | None,
) -> tuple[Any, dict[str, Any]]:
    """Trains an encoder and a head on views of several sizes (multi-crop).

    The encoder passes once for each size, the head once for all views: batch norm in
    the encoder sees the views of one size, in the head all of them.

    Args:
      encoder: images to features [b d].
      head: takes the encoder's main output.
      params: parameters of both, under "encoder" and "head".
      stats: their statistics, under the same names.
      views: arrays `[b h w c]`, those of one size beside each other.
      key: of dropout; None drops nothing.

    Returns:
      The output of the head, whose arrays are `[v b ...]`, and the statistics after.
    """
    keys = (None, None) if key is None else jax.random.split(key)
    found, encoder_stats = by_size(
        encoder, params["encoder"], stats["encoder"], views, key=keys[0]
    )
    features = fold([main_output(encoder, one) for one in found])
    out, head_stats = head.apply(
        params["head"], stats["head"], features, train=True, key=keys[1]
    )
    out = jax.tree.map(lambda x: jnp.stack(unfold(x, len(views))), out)
    return out, {"encoder": encoder_stats, "head": head_stats}


def fold(views: Sequence[Array]) -> Array:
    """Folds V views `[b ...]` into one batch `[b*V ...]`, an image's views together.

    Under a sharded batch this is local; concatenation on axis 0 would cost permutes.

    Args:
      views: arrays of one shape.

    Returns:
      `[b*V ...]`, image-major.
    """
    return jnp.stack(views, axis=1).reshape((-1, *views[0].shape[1:]))


def unfold(x: Array, count: int) -> tuple[Array, ...]:
    """The inverse of `fold`.

    Args:
      x: `[b*count ...]`, image-major.
      count: the number of views.

    Returns:
      `count` arrays `[b ...]`.
    """
    parts = x.reshape((-1, count, *x.shape[1:]))
    return tuple(parts[:, i] for i in range(count))


def views_of(
    batch: Batch, count: int, *, least: int = 1, more: bool = False
) -> tuple[Array, ...]:
    """The views of a batch, checked as a loss is traced: before the first step.

    Args:
      batch: a batch that views have made.
      count: how many views the method takes.
      least: how few images it takes: 2 where they are compared with each other.
      more: whether it takes more views as well, as with multi-crop.

    Returns:
      `count` arrays `[b ...]`, or more.

    Raises:
      ValueError: for another number of views, or fewer images.

    Example:
      >>> (view,) = views_of({"views": (jnp.ones((4, 8, 8, 3)),)}, 1)
      >>> views_of({"views": (view,)}, 2)
      Traceback (most recent call last):
      ...
      ValueError: the method takes 2 views of an image; got 1
    """
    views = tuple(batch["views"])
    if len(views) < count or (len(views) > count and not more):
        wanted = f"{count} or more" if more else count
        raise ValueError(
            f"the method takes {wanted} views of an image; got {len(views)}"
        )
    check_count(least, **{f"view {i}": view for i, view in enumerate(views)})
    return views
