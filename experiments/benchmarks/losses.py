"""Time and memory of the losses that compare everything with everything.

    python -m experiments.benchmarks.losses [--counts 1024 4096 16384] [--blocks 256]

For each loss at N examples of D = 128: the seconds that value and gradient take (the
best of a few runs) and the peak of temporary memory that XLA plans, plain and blocked,
beside `optax.losses.ntxent`. What needs more memory than `--limit` is planned, not run.
Barlow Twins compares features: there D is what N is elsewhere, of 1,024 examples.

The last line compares blocked with plain NT-Xent at the largest N.
"""

from __future__ import annotations

import argparse
import functools
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sslax import losses

WIDTH = 128
T = {"temperature": 0.1}


def supcon(z1, z2, **options):
    labels = jnp.arange(z1.shape[0]) // 4
    return losses.supcon(jnp.stack([z1, z2], axis=1), labels, **options)


def clip(z1, z2, **options):
    return losses.clip(z1, z2, jnp.float32(math.log(10.0)), **options)


def optax_ntxent(z1, z2):
    labels = jnp.tile(jnp.arange(z1.shape[0]), 2)
    return optax.losses.ntxent(jnp.concatenate([z1, z2]), labels, **T)


LOSSES = {
    "nt_xent": functools.partial(losses.nt_xent, **T),
    "info_nce": functools.partial(losses.info_nce, **T),
    "clip": clip,
    "supcon": functools.partial(supcon, **T),
    "debiased_nt_xent": functools.partial(losses.debiased_nt_xent, **T, tau_plus=0.1),
    "hard_negative_nt_xent": functools.partial(
        losses.hard_negative_nt_xent, **T, tau_plus=0.1, beta=1.0
    ),
    "barlow_twins": losses.barlow_twins,
}


def compiled(function, size: tuple[int, int]):
    """Value and gradient, compiled for N x D, and its temporary memory in bytes."""
    shape = jax.ShapeDtypeStruct(size, jnp.float32)
    step = jax.jit(jax.value_and_grad(function, argnums=(0, 1)))
    program = step.lower(shape, shape).compile()
    return program, program.memory_analysis().temp_size_in_bytes


def seconds(program, size: tuple[int, int], repeats: int) -> float:
    """The best time of a few runs; of one after a first, where a run takes seconds."""
    rng = np.random.default_rng(0)
    z1, z2 = (jnp.asarray(rng.normal(size=size), jnp.float32) for _ in range(2))
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(program(z1, z2))
        times.append(time.perf_counter() - start)
    return min(times)


def measure(name: str, form: str, function, count: int, options) -> tuple:
    """One line of the table; returns seconds (nan if it was not run) and bytes."""
    shape = (1024, count) if name == "barlow_twins" else (count, WIDTH)
    program, size = compiled(function, shape)
    took = math.nan
    if size <= options.limit * 2**30:
        repeats = 5 if count <= 4096 else 1
        took = seconds(program, shape, repeats)
    spent = "not run" if math.isnan(took) else f"{took:.3f}"
    print(f"{name:24} {form:8} {count:6d} {spent:>9} {size / 2**20:10.1f}", flush=True)
    return took, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1024, 4096, 16384])
    parser.add_argument("--blocks", type=int, default=256, help="rows in a block")
    parser.add_argument("--limit", type=float, default=16.0, help="GiB not to exceed")
    parser.add_argument("--only", nargs="+", default=[*LOSSES], choices=[*LOSSES])
    options = parser.parse_args()
    print(f"{'loss':24} {'form':8} {'N':>6} {'seconds':>9} {'MiB':>10}")
    results = {}
    for count in options.counts:
        for name in options.only:
            blocked = functools.partial(LOSSES[name], block_size=options.blocks)
            forms = {"plain": LOSSES[name], "blocked": blocked}
            if name == "nt_xent":
                forms["optax"] = optax_ntxent
            for form, function in forms.items():
                out = measure(name, form, function, count, options)
                results[name, form, count] = out
    largest = max(options.counts)
    if "nt_xent" not in options.only:
        return
    plain, blocked = (
        results["nt_xent", form, largest] for form in ("plain", "blocked")
    )
    label = f"{largest // 1024}k"
    print(
        f"losses: memory_ratio_{label}={blocked[1] / plain[1]:.3f} "
        f"time_ratio_{label}={blocked[0] / plain[0]:.2f}"
    )


if __name__ == "__main__":
    main()
