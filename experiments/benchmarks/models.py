"""Forward and backward of backbones on this machine's CPU, against PyTorch.

    python -m experiments.benchmarks.models [--repeats 5] [--torch PYTHON]

Training mode, float32, gradients of all parameters. The interpreter `--torch` needs
torch, torchvision and timm (`pip install 'sslax[test-timm]'`); it runs in a process of
its own, eager and compiled, and is asked turn by turn, so that drift of the machine
hits all alike. A number is the median. `peak` is the share of what one large matrix
product reaches, by the FLOPs that XLA counts; `MB` is what XLA plans beyond arguments.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import NamedTuple

import numpy as np

from experiments.benchmarks.peers import Peers


class Case(NamedTuple):
    """A backbone of `sslax.models`, the batch, and the side of its images."""

    name: str
    options: dict
    batch: int
    side: int


CASES = {
    "resnet18": Case("resnet18", {"stem": "cifar"}, 64, 32),
    "resnet50": Case("resnet50", {}, 32, 96),
    "vit_ti": Case("vit_tiny", {"patch_size": 4}, 64, 32),
    "vit_ti16": Case("vit_tiny", {"patch_size": 16}, 64, 64),
    "vit_s": Case("vit_small", {"patch_size": 16}, 8, 224),
}


def pixels(case: Case) -> np.ndarray:
    shape = (case.batch, case.side, case.side, 3)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def lowered(case: Case):
    """The gradient of all parameters, to be compiled, and the parameters."""
    import jax
    import jax.numpy as jnp

    from sslax import models

    net = getattr(models, case.name)(**case.options)
    images = jnp.asarray(pixels(case))
    params, stats = jax.jit(net.init)(jax.random.key(0), images)

    def loss(params):
        features, new = net.apply(
            params, stats, images, train=True, key=jax.random.key(1)
        )
        return jnp.mean(jnp.square(features)), new

    return jax.jit(jax.value_and_grad(loss, has_aux=True)).lower(params), params


def ours(case: Case):
    """The compiled function without arguments; compile seconds, MB and GFLOPs."""
    import jax

    from sslax.platforms import compiler_options

    gradient, params = lowered(case)
    options = compiler_options(jax.default_backend(), params)
    start = time.perf_counter()
    program = gradient.compile(compiler_options=options)
    seconds = time.perf_counter() - start
    memory = program.memory_analysis().temp_size_in_bytes / 1e6
    flops = program.cost_analysis()["flops"] / 1e9
    return lambda: jax.block_until_ready(program(params)), (seconds, memory, flops)


def matmul_peak(side: int = 3072) -> float:
    """GFLOP/s of one large float32 product: the best of a few."""
    import jax
    import jax.numpy as jnp

    product = jax.jit(jnp.dot)
    x = jnp.ones((side, side))
    product(x, x).block_until_ready()
    best = min(timed(lambda: product(x, x).block_until_ready()) for _ in range(5))
    return 2 * side**3 / best / 1e9


def timed(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    from sslax.platforms import keep_memory  # peers do not need sslax

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--torch", default=sys.executable)
    parser.add_argument(
        "--only",
        nargs="+",
        default=["resnet18", "resnet50", "vit_ti", "vit_s"],
        choices=[*CASES],
    )
    options = parser.parse_args()
    keep_memory()
    peers = Peers(options.torch, "experiments.benchmarks.models_peers")
    peak = matmul_peak()
    print(f"one matrix product: {peak:.0f} GFLOP/s")
    print("case | batch | sslax s | peak | compile s | MB | torch s (compile s)")
    ratios = []
    for key in options.only:
        case = CASES[key]
        run, (compiling, memory, flops) = ours(case)
        run()
        compile_times = peers.ask(case=key)
        times = {name: [] for name in ("sslax", *compile_times)}
        for _ in range(options.repeats):
            times["sslax"].append(timed(run))
            for name in compile_times:
                times[name].append(peers.ask(case=key, name=name))
        median = {name: statistics.median(t) for name, t in times.items()}
        mine = median.pop("sslax")
        row = [key, str(case.batch), f"{mine:.3f}", f"{flops / mine / peak:.0%}"]
        row += [f"{compiling:.1f}", f"{memory:.0f}"]
        row += [f"{n} {t:.3f} ({compile_times[n]:.1f})" for n, t in median.items()]
        print(" | ".join(row), flush=True)
        best = min(median.values(), default=float("nan"))
        ratios.append(f"vs_torch_{key}={mine / best:.2f}")
    peers.close()
    print("models: " + " ".join(ratios))


if __name__ == "__main__":
    main()
