"""Adapters from stored cases to public sslax functions: given negatives.

CPC, noise-contrastive estimation and banks of memory, whose cases say by indices which
negatives each sample has.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import losses, memory


def _cpc(inputs, hyper):
    c, z, w = inputs["c"], inputs["z"], inputs["w"]
    negatives = jnp.swapaxes(inputs["neg_index"], 1, 2)
    options = {"reduction": "none"}
    per_step = losses.cpc(c, z, w / z.shape[-1], negatives, **options)
    return {"loss": jnp.mean(per_step), "aux_per_step": per_step}


def _cpc_grid(inputs, hyper):
    z, c = (jnp.moveaxis(inputs[name], 1, -1) for name in ("z", "c"))
    negatives = []
    for k in range(1, hyper["steps"] + 1):
        # Stored over (row, column, image), wanted over (image, row, column).
        index = inputs[f"neg_index_{k}"]
        rows, columns, batch, _ = index.shape
        place, image = index // batch, index % batch
        negatives.append(jnp.moveaxis(image * rows * columns + place, 2, 0))
    weights = jnp.swapaxes(inputs["w"], 1, 2)
    options = {"skip": hyper["skip_step"], "epsilon": 1e-11}
    return {"loss": losses.cpc_grid(c, z, weights, negatives, **options)}


def _cpc_v2(inputs, hyper):
    predictions, targets = (
        jnp.moveaxis(inputs[name], 1, -1) for name in ("preds", "targets")
    )
    offsets = targets.shape[1] - 1
    predictions = jnp.stack([hyper["embed_scale"] * predictions] * offsets)
    per_offset = losses.cpc_v2(predictions, targets, first=0, reduction="none")
    times = jnp.arange(offsets, dtype=per_offset.dtype)
    return {"loss": jnp.sum(times * per_offset), "aux_per_offset": per_offset}


def _nce_criterion(inputs, hyper):
    log_noise = np.log(hyper["n_negatives"] / hyper["n_data"]).item()
    scores = jnp.log(inputs["probs"])
    return {"loss": losses.nce(scores, log_noise=log_noise, epsilon=hyper["eps"])}


def _instdisc_nce(inputs, hyper):
    bank, size = inputs["memory"], hyper["n_data"]
    log_noise = np.log(hyper["n_negatives"] / size).item()
    values, probs, constants, banks = [], [], [], []
    log_z = None
    for x, y, index in zip(inputs["x"], inputs["y"], inputs["idx"], strict=True):
        scores = losses.bank_scores(x, bank, index, temperature=hyper["temperature"])
        if log_z is None:
            log_z = jax.lax.stop_gradient(memory.log_constant(scores, size=size))
        options = {"log_noise": log_noise, "log_constant": log_z}
        values.append(losses.nce(scores, **options, epsilon=1e-7))
        probs.append(jnp.exp(scores - log_z))
        constants.append(jnp.exp(log_z))
        bank = jax.lax.stop_gradient(
            memory.update_bank(bank, y, x, momentum=hyper["memory_momentum"])
        )
        banks.append(bank)
    return {
        "loss": sum(values),
        "aux_loss_per_step": jnp.stack(values),
        "aux_probs": jnp.stack(probs),
        "aux_Z": jnp.stack(constants),
        "aux_memory_after": jnp.stack(banks),
    }


def _instdisc_softmax(inputs, hyper):
    x, bank, y = inputs["x"], inputs["memory"], inputs["y"]
    momentum = hyper["memory_momentum"]
    return {
        "loss": losses.nonparametric_softmax(
            x, bank, y, temperature=hyper["temperature"]
        ),
        "aux_memory_after": memory.update_bank(bank, y, x, momentum=momentum),
    }


def _cmc(inputs, hyper):
    views = inputs["x1"], inputs["x2"]
    banks = inputs["memory_1"], inputs["memory_2"]
    index, y = inputs["idx"], inputs["y"]
    temperature, size = hyper["temperature"], hyper["n_data"]
    scores = [
        losses.bank_scores(view, bank, index, temperature=temperature)
        for view, bank in zip(views, reversed(banks), strict=True)
    ]
    if hyper["use_softmax"]:
        log_z = None
        parts = [losses.info_nce_logits(s) for s in scores]
        out = {f"aux_logits_{i}": s for i, s in enumerate(scores, 1)}
    else:
        log_z = [memory.log_constant(s, size=size) for s in scores]
        log_z = jax.lax.stop_gradient(log_z)
        log_noise = np.log(hyper["n_negatives"] / size).item()
        options = {"log_noise": log_noise, "epsilon": 1e-7}
        parts = [
            losses.nce(s, log_constant=z, **options)
            for s, z in zip(scores, log_z, strict=True)
        ]
        probs = [jnp.exp(s - z) for s, z in zip(scores, log_z, strict=True)]
        out = {f"aux_probs_{i}": p for i, p in enumerate(probs, 1)}
        out |= {f"aux_Z_{i}": jnp.exp(z) for i, z in enumerate(log_z, 1)}
    value = losses.cmc(
        views, banks, index, temperature=temperature, log_constants=log_z
    )
    out |= {f"aux_loss_{i}": part for i, part in enumerate(parts, 1)}
    for i, (view, bank) in enumerate(zip(views, banks, strict=True), 1):
        momentum = hyper["memory_momentum"]
        after = memory.update_bank(bank, y, view, momentum=momentum)
        out[f"aux_memory_{i}_after"] = after
    return {"loss": value, **out}


CONTRASTIVE = {
    "cpc": _cpc,
    "cpc_grid": _cpc_grid,
    "cpc_v2": _cpc_v2,
    "nce_criterion": _nce_criterion,
    "instdisc_nce": _instdisc_nce,
    "instdisc_softmax": _instdisc_softmax,
    "cmc_nce": _cmc,
    "cmc_softmax": _cmc,
}

NOT_READ = {
    "cmc_softmax": {"n_negatives": "a side of the indices"},
    "cpc": {
        "steps": "a side of the weights",
        "n_negatives": "a side of the indices",
        "window": "a side of the indices",
    },
    "cpc_grid": {"n_negatives": "a side of the indices"},
    "instdisc_softmax": {"n_data": "a side of the memory"},
}

SKIPPED = {"cpc": {"aux_accuracy": "a metric, not part of the loss"}}
