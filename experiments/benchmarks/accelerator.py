"""Training steps of full-size configs on the device at hand, beside PyTorch's.

    python -m experiments.benchmarks.accelerator --configs simclr:imagenet,mae:base
        [--batch 128] [--dtypes bfloat16,float32] [--repeats 10] [--compile]
        [--peer PYTHON [--peer_compile]] [--out FILE]

The step is the one that training runs, on images of noise that lie on the device
already: 375 x 500 pixels, on the config's canvas. A dtype is that of the config's field
(`--config.dtype`). A time is of a call among several that are waited
for together, as training has them: the median of so many turns. `predicted` is what
`sslax plan` says of the program as it was compiled here, where the chip is one that it
knows: the best that the program could reach. `other` is the share of a step that is not
forward and backward of the nets: views, the loss, the optimizer, averages; each part is
compiled alone (see `experiments.benchmarks.step`). `no views` is the step less the
views alone.

With --peer, an interpreter that has torch, torchvision, timm and lightly, lightly's
step runs turn by turn on the same device, with the same networks, on views that are
there already: ours makes its own, so `no views` is what compares with it. A ratio is
the time of its fastest form over ours: above 1 ours is faster. With --peer_compile its
networks run under torch.compile as well as eagerly. Both hold memory of one device at
once: JAX then takes half of it, if XLA_PYTHON_CLIENT_MEM_FRACTION says no other part.

With --compile everything of ours is compiled and nothing timed, or with --peer
everything of the peer: so several processes, one for each config and one for the peer,
can fill the caches (JAX_COMPILATION_CACHE_DIR, TORCHINDUCTOR_CACHE_DIR) at once. JAX
takes memory as it needs it there. `compile s` of a later run is what reading takes.

--out appends each row to a file, as a line of JSON with all that was measured. What
fails is told, and the next one comes.
"""

from __future__ import annotations

import argparse
import functools
import gc
import os
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.benchmarks.accelerator_rival import Rival, prepared
from experiments.benchmarks.accelerator_rows import COLUMNS, numbers, tell
from experiments.benchmarks.step import (
    compiled_alone,
    donating,
    parts_of,
    timings,
)
from sslax import data, plan, platforms, sharding
from sslax.commands.overrides import load_config
from sslax.program import Program, build_program

CALLS = 4  # of a turn, waited for together


class Case(NamedTuple):
    """A compiled step with what it takes."""

    config: Mapping[str, Any]
    program: Program
    traced: Any
    compiled: Any
    batch: Mapping[str, Any]
    seconds: float


def config_of(name: str, *, batch: int, dtype: str) -> dict[str, Any]:
    """`NAME:VARIANT` of configs/, at a batch, with all that learns in a dtype."""
    file, _, variant = name.partition(":")
    recipe = f"configs/{file}.py:{variant}" if variant else f"configs/{file}.py"
    return load_config(recipe, [("batch_size", str(batch)), ("dtype", dtype)])


def built(config: Mapping[str, Any]) -> Case:
    """Compiles the step for one device."""
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    batch = jax.device_put(noise(config), sharding.batch_sharding(mesh))
    program = build_program(config, mesh, jax.eval_shape(lambda: batch))
    began = time.perf_counter()
    traced = program.train_step.trace(program.shapes, batch, jax.random.key(0))
    compiled = traced.lower().compile()
    return Case(config, program, traced, compiled, batch, time.perf_counter() - began)


def noise(config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A batch of the size of an average photograph, through the loader."""
    count = config["batch_size"]
    pixels = np.random.default_rng(0).integers(0, 256, (count, 375, 500, 3), np.uint8)
    source = data.arrays(pixels, labels=np.arange(count) % 10)
    canvas = config["data"]["canvas"] or 512
    loader = data.loader(source, batch_size=count, seed=0, canvas=canvas)
    return dict(loader.batch(0))


def functions_of(case: Case) -> dict[str, Callable[[], Any]]:
    """The parts alone, and the step."""
    program, key = case.program, jax.random.key(0)
    state = program.init(case.batch, key)
    ((_, tx),) = program.txs.items()
    parts = parts_of(program.method, tx, program.views, state, case.batch, key)
    functions, _ = compiled_alone(parts)
    return {**functions, "step": donating(case.compiled, state, case.batch, key)}


def turn(function: Callable[[], Any]) -> Callable[[], Any]:
    """Several calls, of which the last tells when all are done."""
    return lambda: [function() for _ in range(CALLS)][-1]


def predicted(case: Case) -> plan.Roofline | None:
    """What the plan says of the compiled program, on a chip that it knows."""
    kind = jax.devices()[0].device_kind.lower()
    chips = [name for name in plan.CHIPS if name in kind]
    if not chips:
        return None
    target = plan.topology(f"{chips[0]}:1x1")
    text = plan.read_hlo(case.compiled.as_text())
    return plan.roofline(
        target,
        model=plan.count_flops(case.traced.jaxpr),
        done=plan.count_flops(case.traced.jaxpr, tile=target.chip.tile),
        traffic=plan.memory_traffic(text),
        sent=(),
        batch_size=case.config["batch_size"],
    )


def facts(case: Case) -> dict[str, Any]:
    """What compiling told of the step."""
    taken = case.compiled.memory_analysis()
    size = taken.argument_size_in_bytes + taken.temp_size_in_bytes
    return {"GiB": size / 2**30, "compile s": case.seconds}


def roofline(case: Case, step: float) -> dict[str, Any]:
    """The plan's prediction beside the seconds of a step."""
    try:
        speed = predicted(case)
    except Exception as error:  # what was measured is worth more
        return {"not predicted": f"{error!r:.300}"}
    if not speed:
        return {}
    mfu = 100 * speed.mfu * speed.seconds / step
    told = {"predicted ms": 1e3 * speed.seconds, "bound by": speed.bound}
    return {**told, "MFU %": mfu}


def row(name: str, dtype: str, args: argparse.Namespace, rival: Rival | None):
    """All that was measured of a config in a dtype."""
    config = config_of(name, batch=args.batch, dtype=dtype)
    made = {"config": name, "dtype": dtype, "batch": args.batch}
    prepare = functools.partial(
        prepared, rival, config, dtype=dtype, compiled=args.peer_compile
    )
    if args.compile and rival:
        return {**made, **prepare()}
    with futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(prepare)  # while this process compiles
        case = built(config)
        functions = functions_of(case)
    made |= {**facts(case), **answer.result()}
    if args.compile:
        return made
    functions = {name: turn(function) for name, function in functions.items()}
    if rival:
        functions |= rival.steps(made["peer"], calls=CALLS)
    times = {
        name: [seconds / CALLS for seconds in turns]
        for name, turns in timings(functions, args.repeats).items()
    }
    made |= numbers(times, args.batch)
    return {**made, **roofline(case, made["step ms"] / 1e3)}


def attempt(name: str, dtype: str, args: argparse.Namespace, rival: Rival | None):
    """A row, or what it failed with; memory is free for the next one."""
    try:
        return row(name, dtype, args, rival)
    except Exception as error:  # out of memory, a config that does not exist
        return {"config": name, "dtype": dtype, "error": f"{error!r:.300}"}
    finally:
        if rival:
            rival.free()
        jax.clear_caches()
        gc.collect()


def memory_settings(args: argparse.Namespace) -> dict[str, str]:
    """What leaves memory of the device to other processes."""
    if args.compile:
        return {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"} if args.peer else {}


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configs", default="simclr,moco,dino,swav,mae")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--dtypes", default="bfloat16")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--compile", action="store_true", help="and do not run")
    parser.add_argument("--peer", default="", help="an interpreter with lightly")
    parser.add_argument("--peer_compile", action="store_true")
    parser.add_argument("--out", default="", help="a file that rows are added to")
    return parser.parse_args(words)


def main() -> None:
    args = parsed()
    platforms.keep_memory()
    for name, value in memory_settings(args).items():
        os.environ.setdefault(name, value)
    # Of the parts some compile fast, and all are read from the cache later.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    rival = Rival(args.peer) if args.peer else None
    print(f"{jax.devices()[0].device_kind}, one device, jax {jax.__version__}\n")
    print("| " + " | ".join(COLUMNS) + " |")
    print("| " + " | ".join("---" for _ in COLUMNS) + " |", flush=True)
    for name in args.configs.split(","):
        for dtype in args.dtypes.split(","):
            tell(attempt(name, dtype, args, rival), args.out)


if __name__ == "__main__":
    main()
