"""XLA's own levers on this machine's CPU: what each does to forward and backward.

    python -m experiments.benchmarks.cpu_levers [--repeats 5] [--only resnet18 vit_ti]
        [--levers none "YNNPACK off"]

Each lever is some of XLA's options. A program that is compiled with them runs turn by
turn with one that is compiled without. A number is the median of the ratios of a turn
to the default's seconds, below 1 where the lever helps; `none` is the same program
twice, the noise. In parentheses stand MB of temporaries. A lever that XLA does not
have, or with which it does not compile, says so.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from experiments.benchmarks.models import CASES as BACKBONES
from experiments.benchmarks.models import Case, lowered, timed

# The sample recipes' network, on images of three channels.
SAMPLE = {"widths": (32, 64, 128), "strides": (2, 2, 2), "output": "flat"}
CASES = {**BACKBONES, "sample": Case("convnet", SAMPLE, 256, 28)}
YNNPACK = "xla_cpu_experimental_ynn_fusion_type"
KIND = "LIBRARY_FUSION_TYPE_"
ORDER = "CPU_SCHEDULER_TYPE_"
LEVERS: dict[str, dict[str, Any]] = {
    "none": {},
    "vectors of 512 bits": {"xla_cpu_prefer_vector_width": 512},
    "vectors of 128 bits": {"xla_cpu_prefer_vector_width": 128},
    "emitters of old": {"xla_cpu_use_fusion_emitters": False},
    "propagated tiles": {"xla_cpu_experimental_enable_tiling_propagation": True},
    "scheduler for memory": {"xla_cpu_scheduler_type": f"{ORDER}MEMORY_OPTIMIZED"},
    "scheduler for concurrency": {
        "xla_cpu_scheduler_type": f"{ORDER}CONCURRENCY_OPTIMIZED"
    },
    "YNNPACK off": {YNNPACK: ""},
    "YNNPACK for convolutions": {YNNPACK: f"{KIND}INDIVIDUAL_CONVOLUTION"},
    "YNNPACK for sums": {YNNPACK: f"{KIND}REDUCE"},
    "YNNPACK for products": {YNNPACK: f"{KIND}DOT"},
    "oneDNN": {
        "xla_cpu_use_onednn": True,
        "xla_cpu_experimental_onednn_fusion_type": f"{KIND}DOT,{KIND}ELTWISE",
    },
    "XNNPACK's graphs": {
        "xla_cpu_use_xnnpack": True,
        "xla_cpu_experimental_xnn_graph_fusion_mode": "XNN_GRAPH_FUSION_MODE_GREEDY",
    },
}


def measured(case: Case, levers: dict[str, dict[str, Any]], repeats: int) -> list[str]:
    """The cells of a case: seconds of the default, then the ratio of each lever."""
    import jax

    program, params = lowered(case)
    default = program.compile()
    cells, seconds = [], []
    jax.block_until_ready(default(params))
    for options in levers.values():
        try:
            other = program.compile(compiler_options=options)
        except jax.errors.JaxRuntimeError:
            cells.append("not here")
            continue
        jax.block_until_ready(other(params))
        ratios = []
        for _ in range(repeats):
            seconds.append(timed(lambda: jax.block_until_ready(default(params))))
            own = timed(lambda run=other: jax.block_until_ready(run(params)))
            ratios.append(own / seconds[-1])
        cells.append(f"{statistics.median(ratios):.2f} ({_megabytes(other)})")
    return [f"{statistics.median(seconds):.3f} s ({_megabytes(default)})", *cells]


def _megabytes(program: Any) -> str:
    return f"{program.memory_analysis().temp_size_in_bytes / 1e6:.0f}"


def main() -> None:
    from sslax.platforms import keep_memory

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--only", nargs="+", default=["resnet18", "vit_ti"], choices=[*CASES]
    )
    parser.add_argument("--levers", nargs="+", default=[*LEVERS], choices=[*LEVERS])
    options = parser.parse_args()
    keep_memory()
    levers = {name: LEVERS[name] for name in options.levers}
    columns = [measured(CASES[key], levers, options.repeats) for key in options.only]
    print("| lever | " + " | ".join(options.only) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for name, *cells in zip(("default", *levers), *columns, strict=True):
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
