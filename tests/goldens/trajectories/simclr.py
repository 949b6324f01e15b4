"""SimCLR's pretraining step."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sslax import methods, models, optim, schedules
from sslax.core import Aux, Objective
from sslax.nets import fold
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

_LAYERS = [f"{kind}{i}" for i in range(1, 10) for kind in ("conv", "linear", "bn")]
NAMES = Names(
    {
        f"{group}.{x}": f"{group}/{x}"
        for group in ("encoder", "projector")
        for x in _LAYERS
    }
    | {"supervised": "supervised/linear1"}
)
_GROUPS = ("encoder", "projector")


def simclr(case):
    hyper = case["hyper"]
    choice(hyper, "mode", {"pretrain": None})
    stored = steps.initial(case, "online")
    encoder = models.convnet(
        widths=[len(stored[f"encoder.conv{i}.weight"]) for i in (1, 2)],
        strides=(2, 2),
        bn_unbiased=False,
    )
    last = stored[f"projector.linear{hyper['layers']}.weight"]
    method = methods.simclr(
        encoder,
        hidden=last.shape[1],
        dim=last.shape[0],
        depth=hyper["layers"],
        temperature=hyper["T"],
        scale=2.0,  # the sum of the two views' means
    )
    batches = {"views": (steps.inputs(case, "view0"), steps.inputs(case, "view1"))}
    txs = {"ssl": optimizer(case)}
    if hyper["lineareval"]:
        batches["label"] = steps.inputs(case, "label")
        classes = len(stored["supervised.bias"])
        method = _with_probe(method, encoder, models.linear(dim=classes))
        txs["probe"] = optimizer(case)
    method = decayed(method, hyper)
    steps.agree(case, "temperature", hyper["T"])
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(stored, params, extra["stats"])
    metrics, state = steps.run(method, txs, batches, params, {"stats": stats})
    parts = {
        "contrast_loss": metrics["ssl/value"],
        "supervised_loss": metrics.get("probe/value"),
        "weight_decay_loss": sum(v for k, v in metrics.items() if "/decay" in k),
    }
    parts = {k: v for k, v in parts.items() if v is not None}
    online = NAMES.write(state.params, state.extra["stats"], stored)
    return {"loss": sum(parts.values()), **parts, "final": prefixed(online, "online/")}


def _with_probe(method, encoder, classifier):
    """A linear classifier of both views, beside: it moves nothing else."""

    def init(key, batch):
        params, extra = method.init(key, batch)
        width = params["projector"]["linear1"]["kernel"].shape[0]
        return {
            **params,
            "supervised": classifier.init(key, jnp.zeros((1, width)))[0],
        }, extra

    def probe(params, extra, batch, *, key, step):
        del key, step
        stats, images = extra["stats"]["encoder"], fold(batch["views"])
        features, _ = encoder.apply(params["encoder"], stats, images, train=True)
        features = jax.lax.stop_gradient(features)
        logits, _ = classifier.apply(params["supervised"], {}, features)
        labels = jnp.repeat(batch["label"], 2)  # the views of an image together
        value = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return value.mean(), Aux(extra)

    ssl = dataclasses.replace(method.objectives["ssl"], wrt=_GROUPS)
    return dataclasses.replace(
        method,
        init=init,
        # First what reads the encoder before it moves.
        objectives={"probe": Objective(loss=probe, wrt=("supervised",)), "ssl": ssl},
    )


def decayed(method, hyper, head="supervised"):
    """Weight decay as a term of the losses, where the official code has it there."""
    lars = hyper["optimizer"] == "lars"

    def squares(params):
        leaves = jax.tree_util.tree_flatten_with_path(params)[0]
        paths = [(jax.tree_util.keystr(path), leaf) for path, leaf in leaves]
        chosen = [
            leaf
            for path, leaf in paths
            if ((head in path and "kernel" in path) if lars else "bn" not in path)
        ]
        return hyper["wd"] / 2 * sum(jnp.sum(leaf**2) for leaf in chosen)

    def with_decay(objective):
        def loss(params, extra, batch, *, key, step):
            value, aux = objective.loss(params, extra, batch, key=key, step=step)
            own = {k: params[k] for k in objective.wrt or params}
            decay = jnp.asarray(squares(own), value.dtype)
            return value + decay, Aux(aux.extra, {"value": value, "decay": decay})

        return dataclasses.replace(objective, loss=loss)

    objectives = {k: with_decay(o) for k, o in method.objectives.items()}
    return dataclasses.replace(method, objectives=objectives)


def optimizer(case, head="supervised"):
    hyper = case["hyper"]
    given = case["optimizer"]["args"]
    names = {"lars": "LARS (classic)", "momentum": "SGD, Nesterov"}
    if case["optimizer"]["name"] != choice(hyper, "optimizer", names):
        raise ValueError(f"two optimizers, {hyper['optimizer']} and its description")
    batch = case["arrays"]["step0/in/view0"].shape[0]
    peak = choice(hyper, "scaling", {"linear": batch / 256, "sqrt": np.sqrt(batch)})
    steps.same(
        momentum=(given["momentum"], hyper["mu"]),
        decay=(given["weight_decay"], hyper["wd"]),
        rate=(hyper["lr"] * peak, hyper["peak_lr"]),
    )
    schedule = schedules.warmup_cosine(
        steps=hyper["total_steps"], warmup=hyper["warmup_steps"]
    )
    steps.agree(case, "lr", lambda k: hyper["peak_lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    steps.agree(case, "momentum", hyper["mu"])
    options = {
        "learning_rate": hyper["peak_lr"],
        "schedule": schedule,
        "momentum": hyper["mu"],
    }
    if hyper["optimizer"] == "momentum":
        # Keras has the rate inside the buffer, as this has, unlike `optim.sgd`.
        return optim.lars(**options, nesterov=True, exclude=(".*",))
    return optim.lars(
        **options,
        weight_decay=hyper["wd"],
        trust=given["trust"],
        exclude=("rank_one", head),
    )


TRAJECTORIES = {"simclr": simclr}
NOT_READ = {
    "simclr": {
        "hyper.selector": "the layer that fine-tuning takes",
        "hyper.zero_init": "of fine-tuning's logits",
        "optimizer.args.trust": "of LARS",
    }
}
