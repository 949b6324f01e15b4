"""Adapters from stored cases to public sslax functions: contrastive.

Each takes the inputs of a case (arrays by name) and its hyper-parameters, and returns
the loss and what else the functions give. Factors between the paper's form, which the
library follows, and the released code stand here, as the docstrings name them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import losses, memory
from tests.goldens import adapters_joint
from tests.goldens.reading import choice

# Where the stored inputs are unit vectors, as the reference takes them.
UNIT = {"normalize": False}


def _simclr(inputs, hyper):
    t = hyper["temperature"]
    z = inputs["z1"], inputs["z2"]
    return {
        "loss": losses.nt_xent(*z, temperature=t),
        "aux_per_anchor": losses.nt_xent(*z, temperature=t, reduction="none"),
    }


def _supcon(inputs, hyper):
    value = losses.supcon(
        inputs["features"],
        inputs["labels"],
        temperature=hyper["temperature"],
        anchors=choice(hyper, "contrast_mode", {"all": "all", "one": "first"}),
        normalize=False,
    )
    return {"loss": value * hyper["temperature"] / hyper["base_temperature"]}


def _debiased(inputs, hyper):
    z = inputs["z1"], inputs["z2"]
    if not hyper["debiased"]:
        return {"loss": losses.nt_xent(*z, **UNIT, temperature=hyper["temperature"])}
    options = {name: hyper[name] for name in ("temperature", "tau_plus")}
    return {"loss": losses.debiased_nt_xent(*z, **UNIT, **options)}


def _hard_negatives(inputs, hyper):
    z = inputs["z1"], inputs["z2"]
    if choice(hyper, "estimator", {"easy": True, "hard": False}):
        return {"loss": losses.nt_xent(*z, **UNIT, temperature=hyper["temperature"])}
    options = {name: hyper[name] for name in ("temperature", "tau_plus", "beta")}
    return {"loss": losses.hard_negative_nt_xent(*z, **UNIT, **options)}


def _flatnce(inputs, hyper):
    z = inputs["z1"], inputs["z2"]
    return {"loss": losses.flat_nce(*z, temperature=hyper["temperature"])}


def _invaspread(inputs, hyper):
    z = inputs["z1"], inputs["z2"]
    value = losses.invaspread(
        *z,
        jax.lax.stop_gradient(z),
        temperature=hyper["temperature"],
        negative_weight=hyper["negM"],
        normalize=False,
    )
    return {"loss": value}


def _align_uniform(inputs, hyper):
    x, y = inputs["x"], inputs["y"]

    def align(x, y):
        return losses.alignment(x, y, alpha=hyper["alpha"])

    def uniform(x):
        return losses.uniformity(x, t=hyper["t"])

    align_x, align_y = jax.grad(align, (0, 1))(x, y)
    parts = align(x, y), uniform(x), uniform(y)
    spread = (parts[1] + parts[2]) / 2
    return {
        "loss": hyper["align_w"] * parts[0] + hyper["unif_w"] * spread,
        "aux_align": parts[0],
        "aux_uniform_x": parts[1],
        "aux_uniform_y": parts[2],
        "aux_grad_align_x": align_x,
        "aux_grad_align_y": align_y,
        "aux_grad_uniform_x": jax.grad(uniform)(x),
    }


def _infonce(inputs, hyper):
    # Of own negatives, shared ones are [n d] and those of each query [b n d].
    rank = choice(hyper, "negatives", {"in-batch": 0, "unpaired": 2, "paired": 3})
    negatives = inputs["negatives"] if rank else None
    assert negatives is None or negatives.ndim == rank
    value = losses.info_nce(
        inputs["query"],
        inputs["positive"],
        negatives,
        temperature=hyper["temperature"],
    )
    return {"loss": value}


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


def _queue_steps(inputs, hyper, normalize):
    queue, head = inputs["queue"].T, jnp.int32(0)
    values, queues, heads = [], [], []
    for q, k in zip(inputs["q"], inputs["k"], strict=True):
        # The stored queue is of unit vectors already.
        q, k = (losses.unit(q), losses.unit(k)) if normalize else (q, k)
        temperature = hyper["temperature"]
        values.append(losses.info_nce(q, k, queue, **UNIT, temperature=temperature))
        queue, head = memory.enqueue(queue, head, k)
        queues.append(queue.T)
        heads.append(head)
    return {
        "loss": jnp.mean(jnp.stack(values)),
        "aux_loss_per_step": jnp.stack(values),
        "aux_queue_after": jnp.stack(queues),
        "aux_ptr_after": jnp.stack(heads),
    }


def _moco(inputs, hyper):
    return _queue_steps(inputs, hyper, normalize=True)


def _moco_queue_wrap(inputs, hyper):
    return _queue_steps(inputs, hyper, normalize=False)


def _moco_v3(inputs, hyper):
    q1, q2, k1, k2 = (inputs[name] for name in ("q1", "q2", "k1", "k2"))
    t = hyper["temperature"]
    return {
        "loss": losses.moco_v3(q1, q2, k1, k2, temperature=t),
        "aux_loss_q1k2": 2 * t * losses.info_nce(q1, k2, temperature=t),
        "aux_loss_q2k1": 2 * t * losses.info_nce(q2, k1, temperature=t),
    }


def _clip(inputs, hyper):
    arrays = (inputs[name] for name in ("image", "text", "log_scale"))
    return {"loss": losses.clip(*arrays)}


def _curl(inputs, hyper):
    return {"loss": losses.curl(inputs["z_anchor"], inputs["z_pos"], inputs["W"])}


def _cut_patchnce(inputs, hyper):
    images = 1 if hyper["all_negatives_from_minibatch"] else hyper["batch_size"]
    query, key = (
        inputs[name].reshape((images, -1, inputs[name].shape[-1]))
        for name in ("feat_q", "feat_k")
    )
    options = {"temperature": hyper["temperature"], "own_score": -10.0, **UNIT}
    per_patch = losses.patch_nce(query, key, reduction="none", **options)
    return {
        "loss": losses.patch_nce(query, key, **options),
        "aux_per_patch": per_patch.reshape(-1),
    }


CONTRASTIVE = {
    "align_uniform": _align_uniform,
    "clip": _clip,
    "cmc_nce": _cmc,
    "cmc_softmax": _cmc,
    "cpc": _cpc,
    "cpc_grid": _cpc_grid,
    "cpc_v2": _cpc_v2,
    "curl": _curl,
    "cut_patchnce": _cut_patchnce,
    "debiased": _debiased,
    "flatnce": _flatnce,
    "hard_negatives": _hard_negatives,
    "infonce": _infonce,
    "instdisc_nce": _instdisc_nce,
    "instdisc_softmax": _instdisc_softmax,
    "invaspread": _invaspread,
    "moco": _moco,
    "moco_queue_wrap": _moco_queue_wrap,
    "moco_v3": _moco_v3,
    "nce_criterion": _nce_criterion,
    "simclr": _simclr,
    "supcon": _supcon,
}
CONTRASTIVE |= adapters_joint.CONTRASTIVE
VISION: dict = {}

NOT_READ = {
    "cmc_softmax": {"n_negatives": "a side of the indices"},
    "cpc": {
        "steps": "a side of the weights",
        "n_negatives": "a side of the indices",
        "window": "a side of the indices",
    },
    "cpc_grid": {"n_negatives": "a side of the indices"},
    "cut_patchnce": {
        "patches": "a side of the inputs",
        "batch_size": "the images are one where all are negatives",
    },
    "debiased": {"tau_plus": "the biased estimator has none"},
    "hard_negatives": {
        "tau_plus": "the easy estimator has none",
        "beta": "the easy estimator has none",
    },
    "instdisc_softmax": {"n_data": "a side of the memory"},
    "moco": {"queue_size": "a side of the queue", "steps": "a side of the inputs"},
    "moco_queue_wrap": {
        "queue_size": "a side of the queue",
        "steps": "a side of the inputs",
    },
    **adapters_joint.NOT_READ,
}

SKIPPED = {
    "flatnce": {"aux_log_clones": "the log-odds inside the loss are not returned"},
    "cpc": {"aux_accuracy": "a metric, not part of the loss"},
    "moco": {"aux_logits_step0": "the logits inside the loss are not returned"},
    "moco_queue_wrap": {
        "aux_lightly_*": "lightly drops what passes the end; the queue here wraps",
    },
    "curl": {"aux_logits": "the logits inside the loss are not returned"},
}
