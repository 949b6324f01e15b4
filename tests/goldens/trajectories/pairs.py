"""What the adapters of SimCLR's relatives share: two views, no state but statistics."""

from __future__ import annotations

from sslax import models
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import prefixed

CONVOLUTIONS = ("conv1", "bn1", "conv2", "bn2")


def encoder(stored, prefix):
    """The small net of these cases, as wide as its stored kernels."""
    names = [f"{prefix}conv{i}.weight" for i in (1, 2)]
    return models.convnet(widths=[len(stored[n]) for n in names], strides=(2, 2))


def head(stored, first, last):
    """Its widths, as a projector calls them."""
    return {"hidden": len(stored[first]), "dim": len(stored[last])}


def trained(case, method, names, tx, **more):
    """Runs a case.

    Args:
      case: the case.
      method: the method.
      names: where its arrays stand.
      tx: the optimizer.
      **more: what else the batches have, with a leading axis of steps.

    Returns:
      ({metric: an array of the steps' values}, the outputs of an adapter).
    """
    views = steps.inputs(case, "view0"), steps.inputs(case, "view1")
    stored, batches = steps.initial(case, "online"), {"views": views, **more}
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = names.read(stored, params, extra["stats"])
    metrics, state = steps.run(
        method, {"ssl": tx}, batches, params, {**extra, "stats": stats}
    )
    online = names.write(state.params, state.extra["stats"], stored)
    return metrics, {
        "loss": metrics["ssl/loss"],
        "final": prefixed(online, "online/"),
    }
