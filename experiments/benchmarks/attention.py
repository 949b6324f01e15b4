"""What a layer of attention moves through a chip's memory, form by form.

    python -m experiments.benchmarks.attention --topology v5e:2x2 --forms xla,flash
        [--cases 32x197x768x12,8x785x768x12]
    python -m experiments.benchmarks.attention --topology h100:1x1 --forms xla,cudnn

The layer is its projections and attention, with the gradient of all, in bfloat16, on
one chip. A case is images x tokens x width x heads. It is compiled and nothing is run:
`pip install 'sslax[plan]'` or `'sslax[plan-gpu]'`, as for `sslax plan`.
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import SingleDeviceSharding

from sslax import plan, platforms
from sslax.models._attention import attend
from sslax.plan._compile import compile_traced
from sslax.plan._topologies import devices_of

CASES = "32x50x768x12,32x197x768x12,16x257x768x12,16x401x768x12,8x785x768x12"
CASES += ",8x1025x1024x16,2x3137x768x12"


def layer(x: Any, into: Any, out: Any, *, heads: int, form: str) -> Any:
    """Attention of tokens `[b n c]` with its projections."""
    b, n, c = x.shape
    qkv = (x @ into).reshape(b, n, 3, heads, c // heads)
    made = attend(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], form=form)
    return made.reshape(b, n, c) @ out


def measured(case: tuple[int, ...], form: str, target: plan.Topology) -> list[float]:
    """MiB that the layer with its gradient moves, and of its temporaries."""
    images, tokens, width, heads = case

    def gradient(*given):
        def loss(*given):
            made = layer(*given, heads=heads, form=form)
            return jnp.sum(made.astype(jnp.float32) ** 2)

        return jax.grad(loss, range(3))(*given)

    place = SingleDeviceSharding(devices_of(target)[0])
    shapes = ((images, tokens, width), (width, 3 * width), (width, width))
    given = [jax.ShapeDtypeStruct(s, jnp.bfloat16, sharding=place) for s in shapes]
    traced = jax.jit(platforms.traced_for(target.chip.kind, gradient)).trace(*given)
    compiled = compile_traced(traced, target, effort="O1")
    moved = plan.memory_traffic(plan.read_hlo(compiled.as_text()))
    sizes = (moved, compiled.memory_analysis().temp_size_in_bytes)
    return [size / 2**20 for size in sizes]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--topology", default="v5e:2x2")
    parser.add_argument("--forms", default="xla,flash")
    parser.add_argument("--cases", default=CASES)
    args = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")  # the chips are not here
    forms, target = args.forms.split(","), plan.topology(args.topology)
    headings = ["images", "tokens", "width", "heads", *forms]
    print("| " + " | ".join(headings) + " |")
    print("| " + " | ".join("---" for _ in headings) + " |")
    for text in args.cases.split(","):
        case = tuple(map(int, text.split("x")))
        cells = [f"{n:,}" for n in case]
        for form in forms:
            moved, temporary = measured(case, form, target)
            cells.append(f"{moved:,.0f} MiB ({temporary:,.0f})")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
