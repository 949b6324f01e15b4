"""InvaSpread's training step, of the script for CIFAR-10 and STL-10."""

from __future__ import annotations

from sslax import methods, models, schedules
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.instdisc import NAMES, by_epochs, sgd
from tests.goldens.trajectories.names import prefixed


def invaspread(case):
    hyper = case["hyper"]
    stored = steps.initial(case, "online")
    widths = [len(stored[f"encoder.conv{i}.weight"]) for i in (1, 2)]
    method = methods.invaspread(
        models.convnet(widths=widths, strides=(2, 2)),
        dim=len(stored["linear.bias"]),
        temperature=hyper["T"],
        negative_weight=hyper["m"],
    )
    steps.agree(case, "temperature", hyper["T"])
    steps.agree(case, "negative_weight", hyper["m"])
    batches = {"views": (steps.inputs(case, "view0"), steps.inputs(case, "view1"))}
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(stored, params, extra["stats"])
    falling = schedules.step_decay(boundaries=(120, 160, 200), values=(0.1, 0.05, 0.01))
    tx = sgd(case, by_epochs(case, falling))
    metrics, state = steps.run(method, {"ssl": tx}, batches, params, {"stats": stats})
    final = NAMES.write(state.params, state.extra["stats"], stored)
    return {"loss": metrics["ssl/loss"], "final": prefixed(final, "online/")}


TRAJECTORIES = {"invaspread": invaspread}
