"""Evaluation of ImageNet's size: memory of compiled programs, and a search that runs.

python -m experiments.benchmarks.knn [--faiss PYTHON] [--rows 200000] [--queries 2000]

The table is from shapes alone: what the programs of kNN, of logistic regression and of
the linear probe hold on a device at 1,281,167 x 2,048 float32 features, 50,000 queries
and 1,000 classes, on one device, through which rows pass, and on eight, over which they
lie. Then a bank of normal numbers is searched, beside `faiss.IndexFlatIP` of the
interpreter PYTHON, which has faiss-cpu: the best of three runs of each, one after the
other, each side in a process of its own; the first one of ours compiles. Seconds are
those of CPU, of all threads, so that other work on the machine counts less.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.benchmarks.peers import Peers
from sslax.evaluate import _knn, _linear_probe, _logistic, _rows

ROWS, WIDTH, QUERIES, CLASSES, K = 1_281_167, 2048, 50_000, 1000, 20
BATCH = 4096
WHOLE = PartitionSpec()


def shape(dims: tuple, kind: Any, mesh: Mesh | None, spec: PartitionSpec = WHOLE):
    place = None if mesh is None else NamedSharding(mesh, spec)
    return jax.ShapeDtypeStruct(dims, kind, sharding=place)


def size(*shapes: jax.ShapeDtypeStruct) -> int:
    """Bytes on one device."""
    whole = [(s.shape if s.sharding is None else s.sharding.shard_shape(s.shape), s)
             for s in shapes]  # fmt: skip
    return sum(int(np.prod(dims)) * s.dtype.itemsize for dims, s in whole)


def taken(function: Any, *arguments: Any, **options: Any) -> int:
    """Bytes of a program on one device, its arguments and results included."""
    found = function.lower(*arguments, **options).compile().memory_analysis()
    return (
        found.argument_size_in_bytes
        + found.temp_size_in_bytes
        + found.output_size_in_bytes
    )


def search_bytes(mesh: Mesh | None) -> int:
    rows, f32 = _rows.ROWS, np.float32
    devices = _rows.count_of(mesh)
    block = _rows.block_size(ROWS, _knn._BLOCK, mesh)
    bank = shape((block, WIDTH), f32, mesh, rows)
    best = tuple(
        shape((devices, QUERIES, K), kind, mesh, rows) for kind in (f32, np.int32)
    )
    queries = shape((QUERIES, WIDTH), f32, mesh)
    number = jax.ShapeDtypeStruct((), np.int32)
    options = dict(k=K, chunk=512, normalize=True, mesh=mesh)
    program = taken(_knn._search, queries, best, bank, number, number, **options)
    return program + size(bank)  # the next block arrives


def regression_bytes(mesh: Mesh | None) -> int:
    """All rows lie over several devices, or a block on one; and one evaluation."""
    most = _logistic._BLOCK // (WIDTH + CLASSES)
    block, f32 = _rows.block_size(ROWS, most, mesh), np.float32
    x = shape((block, WIDTH), f32, mesh, _rows.ROWS)
    y = shape((block,), np.int32, mesh, _rows.ROWS)
    weights = jax.ShapeDtypeStruct((WIDTH + 1, CLASSES), f32)
    scale = jax.ShapeDtypeStruct((WIDTH,), f32)
    program = taken(_logistic._objective, weights, scale, x, y)
    others = 0 if mesh is None else -(-ROWS // block) - 1
    return program + others * size(x, y)


def probe_bytes(mesh: Mesh | None) -> int:
    """What holds features, takes batches of them and makes a step of each."""
    f32, key = np.float32, jax.eval_shape(lambda: jax.random.key(0))
    recipe = _linear_probe._Recipe(
        "lars", 0.1, BATCH, 90, ROWS // BATCH, (), 10, 0.0, True
    )
    steps = max(1, _linear_probe._SENT // (BATCH * WIDTH))
    batch = (
        shape((steps, BATCH, WIDTH), f32, mesh),
        shape((steps, BATCH), np.int32, mesh),
    )
    carry = jax.eval_shape(
        lambda key, x: _linear_probe._start(
            key, x, 0.01, classes=CLASSES, recipe=recipe
        ),
        key,
        jax.ShapeDtypeStruct((1, WIDTH), f32),
    )
    carry = jax.tree.map(lambda x: shape(x.shape, x.dtype, mesh), carry)
    program = taken(_linear_probe._steps, carry, *batch, recipe=recipe)
    if mesh is None:
        return program + size(*batch)  # those of the next steps arrive
    block = _rows.block_size(ROWS, ROWS, mesh)
    x = shape((block, WIDTH), f32, mesh, _rows.ROWS)
    return max(
        program + size(x) + size(*batch),
        taken(_rows._taken, x, batch[1], mesh=mesh) + size(*batch),
    )


def memory() -> dict[str, tuple[float, float]]:
    """GiB of each protocol on a device, of one and of eight."""
    mesh = _rows.mesh_of(jax.local_devices())
    made = {}
    for name, count in (
        ("kNN", search_bytes),
        ("logistic regression", regression_bytes),
        ("linear probe", probe_bytes),
    ):
        made[name] = tuple(count(m) / 2**30 for m in (None, mesh))
        print(f"{name:22}{made[name][0]:12.2f}{made[name][1]:12.2f}", flush=True)
    return made


def searches(sides: dict[str, str], sizes: dict[str, int]) -> dict[str, dict]:
    """The fastest of three searches of each side, by turns."""
    peers = {
        side: Peers(python, "experiments.benchmarks.knn_peers")
        for side, python in sides.items()
    }
    runs: dict[str, list[dict]] = {side: [] for side in sides}
    for _ in range(3):
        for side, peer in peers.items():
            runs[side].append(peer.ask(side=side, **sizes))
    for peer in peers.values():
        peer.close()
    return {
        side: {
            **min(made, key=lambda one: one["seconds"]),
            "gib": max(one["gib"] for one in made),
            "given": made[0]["given"],
        }
        for side, made in runs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faiss", metavar="PYTHON")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--queries", type=int, default=2_000)
    args = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", 8)
    print(f"GiB on a device at {ROWS:,} x {WIDTH:,}")
    print(f"{'':22}{'one device':>12}{'eight':>12}")
    held = memory()["kNN"][1]
    sides = {"sslax": sys.executable} | ({"faiss": args.faiss} if args.faiss else {})
    sizes = dict(rows=args.rows, width=args.width, queries=args.queries, k=K)
    cores = len(os.sched_getaffinity(0))
    print(f"\n{sizes}, on {cores} cores; load {os.getloadavg()[0]:.1f}")
    print(f"{'':22}{'CPU seconds':>12}{'peak GiB':>12}{'of it given':>12}")
    found = searches(sides, sizes)
    for side, one in found.items():
        print(f"{side:22}{one['seconds']:12.2f}{one['gib']:12.2f}{one['given']:12.2f}")
    ratio = float("nan")
    if "faiss" in found:
        ours, theirs = (np.array(found[side]["rows"]) for side in ("sslax", "faiss"))
        print(f"of the neighbours, {(ours == theirs).mean():.4%} are the same")
        ratio = found["sslax"]["seconds"] / found["faiss"]["seconds"]
    seconds = found["sslax"]["seconds"]
    print(
        f"knn: gib_{ROWS}x{WIDTH}={held:.2f} seconds_{args.rows // 1000}k={seconds:.1f}"
        f" vs_faiss={ratio:.2f}"
    )


if __name__ == "__main__":
    main()
