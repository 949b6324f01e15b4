"""XLA's own levers on this machine's CPU: what each does to forward and backward.

    python -m experiments.benchmarks.cpu_levers [--repeats 3] [--only resnet18 vit_ti]
        [--levers "none (the noise)" oneDNN]

Each lever is some of `XLA_FLAGS`, so that each has a process of its own, which is asked
turn by turn with one of the default. A number is the median of the ratios of a turn to
the default's seconds, below 1 where the lever helps; numbers in parentheses are seconds
of compiling. A lever that XLA does not know, or that does not compile, says so.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys

from experiments.benchmarks.models import CASES
from experiments.benchmarks.peers import Peers

FUSED = "LIBRARY_FUSION_TYPE_"
LEVERS = {
    "none (the noise)": "",
    "wide vectors": "--xla_cpu_prefer_vector_width=512",
    "narrow vectors": "--xla_cpu_prefer_vector_width=128",
    "AVX2 alone": "--xla_cpu_max_isa=AVX2",
    "loop emitters of old": "--xla_cpu_use_fusion_emitters=false",
    "propagated tiles": "--xla_cpu_experimental_enable_tiling_propagation=true",
    "scheduler for memory": "--xla_cpu_scheduler_type="
    "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED",
    "scheduler for concurrency": "--xla_cpu_scheduler_type="
    "CPU_SCHEDULER_TYPE_CONCURRENCY_OPTIMIZED",
    "YNN off": "--xla_cpu_experimental_ynn_fusion_type=",
    "YNN": "--xla_cpu_experimental_ynn_fusion_type="
    f"{FUSED}DOT,{FUSED}ELTWISE,{FUSED}REDUCE",
    "YNN, convolutions alone": "--xla_cpu_experimental_ynn_fusion_type="
    f"{FUSED}INDIVIDUAL_CONVOLUTION",
    "YNN, convolutions too": "--xla_cpu_experimental_ynn_fusion_type="
    f"{FUSED}INDIVIDUAL_DOT,{FUSED}INDIVIDUAL_CONVOLUTION",
    "oneDNN": "--xla_cpu_use_onednn=true --xla_cpu_experimental_onednn_fusion_type="
    f"{FUSED}DOT,{FUSED}ELTWISE",
    "XNN graphs": "--xla_cpu_use_xnnpack=true "
    "--xla_cpu_experimental_xnn_graph_fusion_mode=XNN_GRAPH_FUSION_MODE_GREEDY",
}


def started(flags: str) -> Peers:
    """A process whose XLA has these flags."""
    before = os.environ.get("XLA_FLAGS")
    os.environ["XLA_FLAGS"] = f"{before or ''} {flags}".strip()
    try:
        return Peers(sys.executable, "experiments.benchmarks.cpu_levers_peers")
    finally:
        os.environ.pop("XLA_FLAGS")
        if before is not None:
            os.environ["XLA_FLAGS"] = before


def compiled(flags: str, key: str) -> tuple[Peers, float] | None:
    """A process that holds the program, and its compile seconds; None if it fails."""
    peers = started(flags)
    try:
        return peers, peers.ask(case=key)
    except RuntimeError:
        return None


def measured(key: str, levers: dict[str, str], repeats: int) -> dict[str, str]:
    """The cell of each lever for a case, one after the other: each holds gigabytes."""
    usual = compiled("", key)
    assert usual is not None
    default, compiling = usual
    cells, seconds = {}, []
    for name, flags in levers.items():
        made = compiled(flags, key)
        if made is None:
            cells[name] = "not here"
            continue
        peers, its_compiling = made
        ratios = []
        for _ in range(repeats):
            seconds.append(default.ask(case=key, run=True))
            ratios.append(peers.ask(case=key, run=True) / seconds[-1])
        peers.close()
        cells[name] = f"{statistics.median(ratios):.2f} ({its_compiling:.1f})"
    default.close()
    first = f"{statistics.median(seconds):.3f} s ({compiling:.1f})"
    return {"default": first, **cells}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["resnet18", "vit_ti"])
    parser.add_argument("--levers", nargs="+", default=[*LEVERS], choices=[*LEVERS])
    options = parser.parse_args()
    unknown = set(options.only) - {*CASES}
    if unknown:
        parser.error(f"no case {sorted(unknown)}: the choices are {', '.join(CASES)}")
    levers = {name: LEVERS[name] for name in options.levers}
    cells = {key: measured(key, levers, options.repeats) for key in options.only}
    print("| lever | " + " | ".join(options.only) + " |")
    print("|---" * (1 + len(cells)) + "|")
    for name in ("default", *levers):
        print(f"| {name} | " + " | ".join(cells[key][name] for key in cells) + " |")


if __name__ == "__main__":
    main()
