"""How many programs the tests compile, and how long it takes, over all processes."""

from __future__ import annotations

import jax

COMPILED = "/jax/core/compile/backend_compile_duration"
FOUND = "/jax/compilation_cache/cache_hits"
_here = {"programs": 0, "seconds": 0.0, "found": 0}
_workers: list[dict[str, float]] = []


def listen() -> None:
    """From here on, what this process compiles is counted."""
    jax.monitoring.register_event_duration_secs_listener(_took)
    jax.monitoring.register_event_listener(_happened)


def _took(event: str, seconds: float, **_) -> None:
    if event == COMPILED:
        _here["programs"] += 1
        _here["seconds"] += seconds


def _happened(event: str, **_) -> None:
    if event == FOUND:
        _here["found"] += 1


def here() -> dict[str, float]:
    """The counts of this process."""
    return dict(_here)


def add(counts: dict[str, float]) -> None:
    """Takes up the counts of a worker."""
    _workers.append(counts)


def line() -> str:
    """What the run has compiled, for its last lines."""
    total = {k: sum(one[k] for one in [_here, *_workers]) for k in _here}
    return (
        f"compiled: programs={total['programs']} seconds={total['seconds']:.0f} "
        f"found_in_the_cache={total['found']}"
    )
