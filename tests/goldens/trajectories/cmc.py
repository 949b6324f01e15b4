"""CMC's training steps, with NCE and with the softmax."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sslax import methods, models
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.instdisc import noise, sgd, with_bank
from tests.goldens.trajectories.names import Names, prefixed

# Lightness sees the bank of colours first: the order of the constants too.
VIEWS = ("l", "ab")
NAMES = Names(
    {
        f"encoder_{view}/encoder.{x}": f"encoder{i}/{x}"
        for i, view in enumerate(VIEWS)
        for x in ("conv1", "bn1", "conv2", "bn2")
    }
    | {f"encoder_{view}/fc": f"projector{i}/linear1" for i, view in enumerate(VIEWS)}
)


def cmc(case):
    hyper = case["hyper"]
    stored = {}
    for view in VIEWS:
        group = f"encoder_{view}"
        stored |= prefixed(steps.initial(case, group), f"{group}/")
    stored_banks = [case["arrays"][f"init/bank/{view}"] for view in VIEWS]
    contrast = choice(hyper, "softmax", {True: "softmax", False: "nce"})
    method = methods.cmc(
        [_encoder(stored, f"encoder_{view}/encoder") for view in VIEWS],
        examples=hyper["n"],
        dim=stored_banks[0].shape[1],
        contrast=contrast,
        negatives=hyper["K"],
        temperature=hyper["T"],
        momentum=hyper["m"],
    )
    steps.agree(case, "temperature", hyper["T"])
    steps.agree(case, "bank_momentum", hyper["m"])
    image, index = steps.inputs(case, "view0"), steps.inputs(case, "index")
    batches = {
        "views": (image[..., :1], image[..., 1:]),
        "index": index,
        "noise": noise(case, index, hyper["K"]),
    }
    params, extra = steps.blank(method, steps.first(batches))
    params, extra["stats"] = NAMES.read(stored, params, extra["stats"])
    extra["banks"] = {
        name: with_bank(blank, bank, hyper["n"])
        for (name, blank), bank in zip(
            extra["banks"].items(), stored_banks, strict=True
        )
    }
    if contrast == "nce":
        extra["log_z"] = np.full_like(extra["log_z"], -np.inf)
    tx = sgd(case, _schedule(case))
    metrics, state = steps.run(method, {"ssl": tx}, batches, params, extra)
    return {"loss": metrics["ssl/loss"], "final": _final(state, stored, hyper["n"])}


def _encoder(stored, start):
    widths = [len(stored[f"{start}.conv{i}.weight"]) for i in (1, 2)]
    return models.convnet(widths=widths, strides=(2, 2))


def _schedule(case):
    """The factor of the decay is not among `hyper`: it is that of the steps."""
    parts = steps.used(case, "lr") / case["hyper"]["lr"]
    return lambda step: jnp.asarray(parts)[step]


def _final(state, stored, count):
    final = {
        f"bank/{view}": state.extra["banks"][f"view{i}"][:count]
        for i, view in enumerate(VIEWS)
    }
    if "log_z" in state.extra:
        constants = zip(VIEWS, jnp.exp(state.extra["log_z"]), strict=True)
        final |= {f"bank/Z_{view}": z for view, z in constants}
    return final | NAMES.write(state.params, state.extra["stats"], stored)


TRAJECTORIES = {"cmc": cmc}
