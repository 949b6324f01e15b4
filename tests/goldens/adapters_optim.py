"""Adapters from stored cases to public sslax functions: optimizers and schedules."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sslax import optim, schedules
from tests.goldens import torch_names

CONTRASTIVE: dict = {}


def trajectories(make, schedules, arrays):
    """out/{optimizer}/{parameter}: its value after each step.

    `make(schedule)` gives optimizers by name; `schedules` are lists of rates by name,
    which end the optimizer's name. All are compiled once.
    """
    names = [k.removeprefix("in/param/") for k in arrays if k.startswith("in/param/")]
    params = {n: jax.device_put(arrays[f"in/param/{n}"]) for n in names}
    grads = {n: jax.device_put(arrays[f"in/grad/{n}"]) for n in names}

    def step(tx, carry, grad):
        params, state = carry
        updates, state = tx.update(grad, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    def run(rates):
        return {
            name: jax.lax.scan(
                functools.partial(step, tx), (params, tx.init(params)), grads
            )[1]
            for name, tx in make(lambda step: rates[step]).items()
        }

    rows = jax.jit(jax.vmap(run))(jnp.asarray(list(schedules.values())))
    return {
        f"out/{name.format(kind)}/{parameter}": value[i]
        for i, kind in enumerate(schedules)
        for name, values in rows.items()
        for parameter, value in values.items()
    }


def adamw_sgd(arrays, parameters):
    adamw, sgd = parameters["adamw"], parameters["sgd"]

    def momentum(schedule, **options):
        return optim.sgd(
            learning_rate=1.0,
            schedule=schedule,
            weight_decay=sgd["weight_decay"],
            **options,
        )

    def make_adamw(schedule):
        return {
            "adamw": optim.adamw(
                learning_rate=1.0,
                schedule=schedule,
                b1=adamw["betas"][0],
                b2=adamw["betas"][1],
                eps=adamw["eps"],
                weight_decay=adamw["weight_decay"],
                exclude="none",
            )
        }

    def make_sgd(schedule):
        nesterov = parameters["nesterov"]["momentum"]
        return {
            "sgd": momentum(schedule, momentum=sgd["momentum"]),
            "sgd_nesterov": momentum(schedule, momentum=nesterov, nesterov=True),
        }

    return {
        **trajectories(make_adamw, {"": adamw["lrs"]}, arrays),
        **trajectories(make_sgd, {"": sgd["lrs"]}, arrays),
    }


def lars(arrays, parameters):
    def make(schedule):
        def build(function, **options):
            return function(
                learning_rate=1.0,
                schedule=schedule,
                momentum=parameters["momentum"],
                weight_decay=parameters["weight_decay"],
                trust=parameters["eta"],
                **options,
            )

        if "simclr_exclude" in parameters:
            return {
                "simclr_{}": build(optim.lars),
                "simclr_nesterov_{}": build(optim.lars, nesterov=True),
                "simclr_popular_{}": build(optim.lars_popular),
                "byol_{}": build(optim.lars_byol),
            }
        return {
            "{}/excluding_1d": build(optim.lars_byol),
            "{}/no_exclusion": build(optim.lars_byol, exclude="none"),
        }

    kinds = ("const_lr", "varying_lr")
    return trajectories(make, {kind: parameters[kind] for kind in kinds}, arrays)


def layer_decay(arrays, parameters):
    names = [str(name) for name in arrays["in/names"]]
    paths = [n.replace("blocks.", "blocks_").replace(".", "/") for n in names]

    def leaf(path):
        flat = path.endswith("bias") or "norm" in path
        return jnp.ones((2,) if flat else (1, 2, 2))

    params = torch_names.nest({path: leaf(path) for path in paths})
    decayed = optim.included(("rank_one", "cls_token", "pos_embed"))(params)
    tx = optim.layer_decay(optax.identity(), decay=parameters["layer_decay"])
    updates, _ = tx.update(params, tx.init(params), params)

    def read(tree):
        values = []
        for path in paths:
            node = tree
            for part in path.split("/"):
                node = node[part]
            values.append(np.ravel(node)[0])
        return np.asarray(values)

    return {
        "out/layer_id": read(optim.layer_ids(params)).astype(np.int32),
        "out/lr_scale": read(updates),
        "out/weight_decay": read(decayed) * parameters["weight_decay"],
    }


def rates(arrays, parameters):
    """Schedules of MAE, MoCo v3, DINO and Barlow Twins."""
    peak, epochs = parameters["lr"], parameters["epochs"]
    warmup, per_epoch = parameters["warmup_epochs"], parameters["iters_per_epoch"]
    end = parameters["min_lr"] / peak
    steps = epochs * per_epoch
    mae = schedules.warmup_cosine(steps=epochs, warmup=warmup, end=end)
    moco = schedules.warmup_cosine(steps=epochs, warmup=warmup)
    dino = schedules.warmup_cosine(
        steps=steps,
        warmup=warmup * per_epoch,
        start=parameters["start_warmup"] / peak,
        end=end,
        inclusive=True,
    )
    barlow, batch = parameters["barlow"], parameters["barlow"]["batch_size"]
    twins = schedules.warmup_cosine(
        steps=barlow["epochs"] * barlow["iters_per_epoch"],
        warmup=barlow["warmup_epochs"] * barlow["iters_per_epoch"],
        end=0.001,
    )

    weights, biases = barlow["learning_rate_weights"], barlow["learning_rate_biases"]

    def momentum(start, steps):
        return schedules.cosine(start=start, end=1.0, steps=steps)

    def values(e, i, k):
        return {
            "out/mae_lr": peak * mae(e),
            "out/mocov3_lr": peak * moco(e),
            "out/mocov3_momentum": momentum(parameters["moco_m"], epochs)(e),
            "out/dino_lr": peak * dino(i),
            "out/dino_weight_decay": schedules.cosine(start=0.04, end=0.4, steps=steps)(
                i
            ),
            "out/dino_momentum": momentum(0.996, steps)(i),
            "out/barlow_lr_weights": weights * batch / 256 * twins(k),
            "out/barlow_lr_biases": biases * batch / 256 * twins(k),
        }

    return jax.jit(values)(
        jax.device_put(arrays["in/fractional_epochs"]),
        jnp.arange(steps),
        jax.device_put(arrays["in/barlow_steps"]),
    )


def byol_simclr(arrays, parameters):
    """Schedules of BYOL and SimCLR."""
    steps = jax.device_put(arrays["in/steps"])
    batch, examples = parameters["batch"], parameters["num_examples"]
    total = examples * parameters["simclr_epochs"] // batch + 1
    warmup = round(parameters["simclr_warmup_epochs"] * examples // batch)
    simclr = schedules.warmup_cosine(steps=total, warmup=warmup)(steps)
    byol = schedules.warmup_cosine(
        steps=parameters["max_steps"], warmup=parameters["warmup"]
    )
    tau = schedules.cosine(
        start=parameters["base_ema"], end=1.0, steps=parameters["max_steps"]
    )
    rate = parameters["simclr_lr"]
    return {
        "out/byol_tau": tau(steps),
        "out/byol_lr": parameters["byol_lr"] * batch / 256 * byol(steps),
        "out/simclr_lr_linear": rate * batch / 256 * simclr,
        "out/simclr_lr_sqrt": rate * batch**0.5 * simclr,
        "out/simclr_total_steps": np.int32(total),
        "out/simclr_warmup_steps": np.int32(warmup),
    }


def named_schedules(arrays, parameters):
    return (byol_simclr if "base_ema" in parameters else rates)(arrays, parameters)


VISION = {
    "optim/adamw_sgd": adamw_sgd,
    "optim/lars": lars,
    "optim/layer_decay": layer_decay,
    "optim/schedules": named_schedules,
}

NOT_READ = {
    "optim/layer_decay": {"depth": "follows from the names"},
    "optim/lars": {
        "simclr_exclude": "words of names, which here are those of rank 1",
    },
    "optim/schedules": {
        "steps": "they are given",
        "fractional_epochs": "they are given",
    },
}
