"""ResNet-18 on small images with its convolutions in each way that a CPU can do them.

python -m experiments.benchmarks.convolutions [--batch 64] [--side 32] [--repeats 5]

Forward alone, and forward with the gradient of all parameters, in training mode and
float32. The ways are timed by turns; a number is the median.
"""

import argparse
import functools

import jax
import jax.numpy as jnp

from experiments.benchmarks.step import measure
from sslax import models, platforms

WAYS = ("matmul", "lax", "auto")


def functions_of(way: str, batch: int, side: int) -> dict:
    """Forward and gradient, compiled, as functions without arguments."""
    net = models.resnet18(stem="cifar", conv_impl=way)
    x = jax.random.normal(jax.random.key(0), (batch, side, side, 3))
    params, stats = net.init(jax.random.key(1), x)

    def loss(params):
        return jnp.sum(net.apply(params, stats, x, train=True)[0])

    forward, gradient = jax.jit(loss), jax.jit(jax.grad(loss))
    return {
        f"{way} forward": functools.partial(forward, params),
        f"{way} gradient": functools.partial(gradient, params),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    platforms.keep_memory()
    functions = {}
    for way in WAYS:
        functions |= functions_of(way, args.batch, args.side)
    times = measure(functions, args.repeats)
    print("| convolutions | forward s | gradient s |")
    print("|---|---|---|")
    for way in WAYS:
        print(f"| {way} | {times[f'{way} forward']:.3f} ", end="")
        print(f"| {times[f'{way} gradient']:.3f} |")
    ratios = [times[f"{w} gradient"] / times["auto gradient"] for w in WAYS[:2]]
    print(f"\nconvolutions: matmul={ratios[0]:.2f} lax={ratios[1]:.2f}")


if __name__ == "__main__":
    main()
