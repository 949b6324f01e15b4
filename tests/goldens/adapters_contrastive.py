"""Adapters from stored cases to public sslax functions: contrastive.

Each takes the inputs of a case (arrays by name) and its hyper-parameters, and returns
the loss and what else the functions give. Factors between the paper's form, which the
library follows, and the released code stand here, as the docstrings name them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import losses, memory
from tests.goldens import adapters_joint, adapters_noise
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
    "curl": _curl,
    "cut_patchnce": _cut_patchnce,
    "debiased": _debiased,
    "flatnce": _flatnce,
    "hard_negatives": _hard_negatives,
    "infonce": _infonce,
    "invaspread": _invaspread,
    "moco": _moco,
    "moco_queue_wrap": _moco_queue_wrap,
    "moco_v3": _moco_v3,
    "simclr": _simclr,
    "supcon": _supcon,
}
CONTRASTIVE |= adapters_joint.CONTRASTIVE | adapters_noise.CONTRASTIVE
VISION: dict = {}

NOT_READ = {
    "cut_patchnce": {
        "patches": "a side of the inputs",
        "batch_size": "the images are one where all are negatives",
    },
    "debiased": {"tau_plus": "the biased estimator has none"},
    "hard_negatives": {
        "tau_plus": "the easy estimator has none",
        "beta": "the easy estimator has none",
    },
    "moco": {"queue_size": "a side of the queue", "steps": "a side of the inputs"},
    "moco_queue_wrap": {
        "queue_size": "a side of the queue",
        "steps": "a side of the inputs",
    },
    **adapters_joint.NOT_READ,
    **adapters_noise.NOT_READ,
}

SKIPPED = {
    **adapters_noise.SKIPPED,
    "flatnce": {"aux_log_clones": "the log-odds inside the loss are not returned"},
    "moco": {"aux_logits_step0": "the logits inside the loss are not returned"},
    "moco_queue_wrap": {
        "aux_lightly_*": "lightly drops what passes the end; the queue here wraps",
    },
    "curl": {"aux_logits": "the logits inside the loss are not returned"},
}
