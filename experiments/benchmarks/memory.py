"""Memory of a train step whose batch grows, in one piece and in micro-batches.

python -m experiments.benchmarks.memory [--config FILE:VARIANT] [--micro 32]
    [--batches 256 4096]

Every row is a step that is compiled for one device, from shapes alone: nothing runs.
MoCo v3 with ViT-S/16 at 224 px, whose batch in the paper is 4096, unless said
otherwise. In GiB: "state" is what training keeps, "images" the batch as the data give
it; "views" is what making them takes, all at once, and "nets" what the rest of the step
takes beside them: activations, gradients, embeddings. Each of these two is compiled
alone; "step" is the whole one that training runs, its arguments included, which makes
views micro-batch by micro-batch.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import jax

from sslax import sharding, step
from sslax.commands.overrides import load_config
from sslax.plan._options import batch_shapes
from sslax.program import build_program

COLUMNS = ("state", "images", "views", "nets", "step")


def row(config: Mapping[str, Any]) -> dict[str, float]:
    """GiB of what a step of a config holds on one device."""
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    batch = batch_shapes(config)
    program = build_program(config, mesh, batch)
    key = jax.eval_shape(lambda: jax.random.key(0))
    seen = jax.eval_shape(program.views, key, batch)
    parts = (program.method, program.txs)
    rest = step.compile_step(
        *parts, as_is, mesh, program.shapes, accumulate=config["accumulate"]
    )
    views, nets, whole = (
        function.lower(*arguments).compile().memory_analysis()
        for function, arguments in (
            (jax.jit(program.views), (key, batch)),
            (rest, (program.shapes, seen, key)),
            (program.train_step, (program.shapes, batch, key)),
        )
    )
    kept = {"state": size(program.shapes), "images": size(batch)}
    sizes = {
        **kept,
        "views": views.temp_size_in_bytes + views.output_size_in_bytes,
        "nets": nets.temp_size_in_bytes,
        "step": whole.temp_size_in_bytes + sum(kept.values()),
    }
    return {name: value / 2**30 for name, value in sizes.items()}


def as_is(key: Any, batch: Any) -> Any:
    del key
    return batch


def size(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def cases(batches: list[int], micro: int) -> list[tuple[int, int]]:
    """Batch and micro-batches: the smallest in one piece, all in parts of one size."""
    first = min(batches)
    return [(first, 1), *((batch, batch // micro) for batch in batches)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="configs/moco_v3.py")
    parser.add_argument("--micro", type=int, default=32)
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 4096])
    args = parser.parse_args()
    print(" | ".join(("batch", "micro-batches", *COLUMNS)))
    taken = {}
    for batch, parts in cases(args.batches, args.micro):
        changes = [("batch_size", str(batch)), ("accumulate", str(parts))]
        made = row(load_config(args.config, changes))
        values = [str(batch), str(parts)]
        values += [f"{made[name]:.2f}" for name in COLUMNS]
        print(" | ".join(values), flush=True)
        taken[batch, parts] = made["nets"]
    nets = [value for (_, parts), value in taken.items() if parts > 1]
    print(f"memory: nets_largest_batch_over_smallest={nets[-1] / nets[0]:.2f}")


if __name__ == "__main__":
    main()
