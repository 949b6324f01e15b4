"""Training steps of full-size configs on the device at hand, beside their prediction.

    python -m experiments.benchmarks.accelerator --configs simclr:imagenet,mae:base
        [--batch 128] [--dtypes float32,bfloat16] [--repeats 20] [--compile]

The step is the one that training runs, on images of noise that lie on the device
already: 375 x 500 pixels, on the config's canvas. With a dtype, it takes the place of
that of every network of the config. `predicted` is what `sslax plan` says of the
program as it was compiled here, where the chip is one that it knows: the best that the
program could reach. With --compile a step is compiled and not run, so that several
processes can fill one compilation cache (JAX_COMPILATION_CACHE_DIR).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from sslax import data, plan, platforms, sharding
from sslax.commands.overrides import load_config
from sslax.program import Program, build_program

HEADINGS = ("config", "dtype", "batch", "step ms", "spread ms", "images/s")
HEADINGS += ("predicted ms", "bound by", "MFU %", "GiB", "compile s")


class Case(NamedTuple):
    """A compiled step with what it takes."""

    config: Mapping[str, Any]
    program: Program
    traced: Any
    compiled: Any
    batch: Mapping[str, Any]
    seconds: float


def config_of(name: str, *, batch: int, dtype: str) -> dict[str, Any]:
    """`NAME:VARIANT` of configs/, at a batch, with all networks in a dtype."""
    file, _, variant = name.partition(":")
    recipe = f"configs/{file}.py:{variant}" if variant else f"configs/{file}.py"
    config = load_config(recipe, [("batch_size", str(batch))])
    return {**config, "method": with_dtype(config["method"], dtype)}


def with_dtype(spec: Any, dtype: str) -> Any:
    """A method's call with one dtype wherever one is named."""
    if isinstance(spec, (list, tuple)):
        return [with_dtype(one, dtype) for one in spec]
    if not isinstance(spec, Mapping):
        return spec
    made = {k: with_dtype(v, dtype) for k, v in spec.items()}
    return {**made, "dtype": dtype} if "dtype" in made else made


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


def times(case: Case, repeats: int) -> list[float]:
    """Seconds of steps, the first of which are passed over."""
    key = jax.random.key(0)
    state = case.program.init(case.batch, key)
    seconds = []
    for _ in range(repeats + 3):
        began = time.perf_counter()
        state, metrics = case.compiled(state, case.batch, key)
        jax.block_until_ready((state, metrics))
        seconds.append(time.perf_counter() - began)
    return seconds[3:]


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


def cells(name: str, dtype: str, case: Case, repeats: int) -> list[str]:
    """A row of the table."""
    seconds = times(case, repeats)
    step, spread = statistics.median(seconds), max(seconds) - min(seconds)
    count, taken = case.config["batch_size"], case.compiled.memory_analysis()
    made = [name, dtype, str(count), f"{1e3 * step:.1f}", f"{1e3 * spread:.1f}"]
    made.append(f"{count / step:,.0f}")
    speed = predicted(case)
    if speed:
        mfu = 100 * speed.mfu * speed.seconds / step
        made += [f"{1e3 * speed.seconds:.1f}", speed.bound, f"{mfu:.0f}"]
    else:
        made += ["-"] * 3
    size = taken.argument_size_in_bytes + taken.temp_size_in_bytes
    return [*made, f"{size / 2**30:.1f}", f"{case.seconds:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configs", default="simclr:imagenet,mae:base")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="and do not run")
    args = parser.parse_args()
    platforms.keep_memory()
    print(f"{jax.devices()[0].device_kind}, one device, jax {jax.__version__}\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("| " + " | ".join("---" for _ in HEADINGS) + " |")
    for name in args.configs.split(","):
        for dtype in args.dtypes.split(","):
            case = built(config_of(name, batch=args.batch, dtype=dtype))
            if not args.compile:
                line = cells(name, dtype, case, args.repeats)
                print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
