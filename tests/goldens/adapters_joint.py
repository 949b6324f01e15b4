"""Adapters from stored cases to public sslax functions: methods without negatives.

The half of the contrastive family that pulls together alone, by a predictor, a teacher,
prototypes or decorrelation, and the losses between pixels.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import losses, memory
from tests.goldens.reading import choice


def _byol(inputs, hyper):
    p1, p2, z1, z2 = (inputs[name] for name in ("p1", "p2", "z1", "z2"))
    per_sample = losses.cosine_regression(p1, z2, reduction="none")
    per_sample += losses.cosine_regression(p2, z1, reduction="none")
    value = losses.cosine_regression(p1, z2) + losses.cosine_regression(p2, z1)
    return {"loss": value, "aux_per_sample": per_sample}


def _simsiam(inputs, hyper):
    p1, p2, z1, z2 = (inputs[name] for name in ("p1", "p2", "z1", "z2"))
    value = losses.negative_cosine(p1, z2) + losses.negative_cosine(p2, z1)
    return {"loss": value / 2}


def _dino(inputs, hyper):
    centre, values, centres = inputs["center"], [], []
    warmup = hyper["warmup_epochs"]
    temperatures = np.concatenate(
        [
            np.linspace(hyper["warmup_teacher_temp"], hyper["teacher_temp"], warmup),
            np.full(hyper["n_epochs"] - warmup, hyper["teacher_temp"]),
        ]
    )[np.asarray(hyper["epochs"])]
    steps = zip(inputs["student"], inputs["teacher"], temperatures, strict=True)
    for student, teacher, temperature in steps:
        value = losses.dino(
            student,
            teacher,
            centre,
            student_temperature=hyper["student_temp"],
            teacher_temperature=temperature.item(),
        )
        values.append(value)
        momentum = hyper["center_momentum"]
        centre = memory.update_centre(centre, teacher, momentum=momentum)
        centres.append(centre)
    return {
        "loss": jnp.mean(jnp.stack(values)),
        "aux_loss_per_step": jnp.stack(values),
        "aux_center_after": jnp.stack(centres),
        "aux_teacher_temp_per_step": temperatures,
    }


def _sinkhorn(inputs, hyper):
    options = {name: hyper[name] for name in ("epsilon", "iterations")}
    assignments = losses.sinkhorn(inputs["scores"], **options)
    return {"loss": jnp.sum(assignments**2), "aux_assignments": assignments}


def _swav(inputs, hyper):
    scores, views = inputs["scores"], hyper["crops_for_assign"]
    options = {name: hyper[name] for name in ("epsilon", "iterations")}
    batch, codes, queues = scores.shape[1], [], []
    for place, view in enumerate(views):
        rows = scores[view]
        if hyper["queue_length"]:
            prototypes = losses.unit(inputs["prototypes"])
            old = inputs["queue"][place]
            rows = jnp.concatenate([old @ prototypes.T, rows])
            queues.append(memory.push(old, inputs["embeddings"][view]))
        codes.append(losses.sinkhorn(rows, **options)[-batch:])
    codes = jax.lax.stop_gradient(jnp.stack(codes))
    temperature = hyper["temperature"]
    value = losses.swav(scores, codes, temperature=temperature, assigned=views)
    out = {"loss": value, "aux_assignments": codes}
    return out | ({"aux_queue_after": jnp.stack(queues)} if queues else {})


def _barlow_twins(inputs, hyper):
    z = inputs["z1"], inputs["z2"]
    epsilon, weight = hyper["bn_eps"], hyper["lambd"]

    def value(weight):
        return losses.barlow_twins(*z, redundancy_weight=weight, epsilon=epsilon)

    return {
        "loss": value(weight),
        "aux_correlation": losses.cross_correlation(*z, epsilon=epsilon),
        "aux_on_diag": value(0.0),
        "aux_off_diag": value(1.0) - value(0.0),
    }


def _vicreg(inputs, hyper):
    z = inputs["z1"], inputs["z2"]

    def value(a, b, c):
        return losses.vicreg(
            *z, invariance_weight=a, variance_weight=b, covariance_weight=c
        )

    return {
        "loss": value(hyper["sim_coeff"], hyper["std_coeff"], hyper["cov_coeff"]),
        "aux_invariance": value(1.0, 0.0, 0.0),
        "aux_variance": value(0.0, 1.0, 0.0),
        "aux_covariance": value(0.0, 0.0, 1.0),
    }


def _maps(inputs, names):
    return [jnp.moveaxis(inputs[name], 1, -1) for name in names]


def _pixpro(inputs, hyper):
    maps = _maps(inputs, ("proj1", "proj2", "target1", "target2"))
    size = maps[0].shape[1:3]
    linear = choice(hyper, "transform_layers", {0: False, 1: True})

    def propagated(x):
        values = x
        if linear:
            values = (
                x @ inputs["value_weight"].T + inputs["value_bias"][None, None, None]
            )
        options = {"power": hyper["p"], "floor": hyper["clamp_value"]}
        return losses.pixel_propagation(x, values, **options)

    positives = losses.pixel_positives(
        inputs["coord1"], inputs["coord2"], size=size, ratio=hyper["pos_ratio"]
    )
    y1, y2 = propagated(maps[0]), propagated(maps[1])
    first = losses.pix_pro(y1, maps[3], positives)
    second = losses.pix_pro(y2, maps[2], jnp.swapaxes(positives, 1, 2))
    prediction = jnp.moveaxis(losses.unit(y1), -1, 1)
    return {"loss": 2 * (first + second), "aux_pred1": prediction}


def _pixcontrast(inputs, hyper):
    maps = _maps(inputs, ("proj1", "proj2", "target1", "target2"))
    mask = inputs["pos_mask"].astype(bool)
    positives = jnp.broadcast_to(mask, (maps[0].shape[0], *mask.shape))
    options = {"temperature": hyper["temperature"], "log_over": "batch"}
    first = losses.pix_contrast(maps[0], maps[3], positives, **options)
    turned = jnp.swapaxes(positives, 1, 2)
    second = losses.pix_contrast(maps[1], maps[2], turned, **options)
    return {"loss": (first + second) / 2}


def _simclrv2_distill(inputs, hyper):
    t = hyper["temperature"]
    value = losses.distillation(inputs["student"], inputs["teacher"], temperature=t)
    return {"loss": t**2 * value, "aux_loss_without_t2": value}


CONTRASTIVE = {
    "barlow_twins": _barlow_twins,
    "byol": _byol,
    "dino": _dino,
    "pixcontrast": _pixcontrast,
    "pixpro": _pixpro,
    "simclrv2_distill": _simclrv2_distill,
    "simsiam": _simsiam,
    "sinkhorn": _sinkhorn,
    "swav": _swav,
    "vicreg": _vicreg,
}

NOT_READ = {
    "dino": {"n_crops": "a side of the inputs"},
    "pixcontrast": {
        "pos_ratio": "the positives are given",
        "coord*": "the positives are given",
    },
    "pixpro": {"positives_per_image": "counts that follow from the coordinates"},
    "swav": {"nmb_crops": "a side of the inputs"},
}
