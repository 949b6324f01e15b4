"""Comparisons of outputs with stored ones, collected over a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tests.goldens.reading import Reading, met


class Outcome(NamedTuple):
    """What one case gave in one precision: failures in words, the largest error."""

    failures: list[str]
    worst: float


class Errors:
    """Collects failures, and the largest error as a share of what is allowed."""

    def __init__(self):
        self.failures: list[str] = []
        self.worst = 0.0

    def unread(self, reasons: Mapping[str, str], *readings: Reading) -> None:
        """Fails for everything that was not read and has no reason not to be."""
        self.failures += [
            f"{name!r} of the case is not read"
            for reading in readings
            for name in reading.unread()
            if met(reasons, name) is None
        ]

    def add(
        self,
        name: str,
        error: float,
        allowed: float,
        more: Callable[[float], float] | None = None,
    ) -> None:
        """Holds an error to what is allowed; `more` of it says what else would be."""
        if more is not None and allowed < error < np.inf:
            allowed = max(allowed, more(error))
        self.worst = max(self.worst, error / allowed if allowed else error)
        if not error <= allowed:
            self.failures.append(f"{name} is off by {error:.2e}, allowed {allowed:.2e}")

    def close(
        self,
        name: str,
        got: Any,
        wanted: np.ndarray,
        allowed: float,
        more: Callable[[float], float] | None = None,
        *,
        spare: int = 0,
    ) -> None:
        """Holds every number to an absolute tolerance; integers are exact.

        The `spare` numbers that are off most are left out.
        """
        got, wanted = np.asarray(got), np.asarray(wanted)
        if got.shape != wanted.shape:
            self.failures.append(f"{name} has shape {got.shape}, not {wanted.shape}")
            return
        if wanted.dtype.kind != "f":
            allowed, more = (1.0 if wanted.dtype == np.uint8 else 0.0), None
        elif not np.all(np.isfinite(got)):
            self.failures.append(f"{name} is not finite")
            return
        if wanted.size:
            difference = got.astype(np.float64) - wanted.astype(np.float64)
            rest = np.sort(np.abs(difference), axis=None)[: wanted.size - spare]
            self.add(name, rest[-1].item(), allowed, more)

    def statistic(self, name: str, got: Any, wanted: np.ndarray, draws: int) -> None:
        """Within 4 standard errors of the difference of two samples.

        Of summaries the mean and the standard deviation are compared; other statistics
        are shares, or counts over the draws.
        """
        got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
        if got.shape != wanted.shape:
            self.failures.append(f"{name} has shape {got.shape}, not {wanted.shape}")
            return
        if wanted.shape == (11,) and "hist" not in name:
            spread = max(wanted[1].item(), 1e-6)
            allowed = 4 * np.sqrt(2 / draws) * spread
            self.add(f"{name} (mean)", abs(got[0] - wanted[0]).item(), allowed)
            self.add(f"{name} (std)", abs(got[1] - wanted[1]).item(), allowed)
            return
        if wanted.ndim and np.max(wanted) > 1:
            got, wanted = got / np.sum(got), wanted / np.sum(wanted)
        variance = np.where((wanted > 0) & (wanted < 1), wanted * (1 - wanted), 0.0)
        variance = np.where((wanted < 0) | (wanted > 1), 1.0, variance)
        allowed = 4 * np.sqrt(2 * variance / draws) + 8 / draws
        share = np.abs(got - wanted) / allowed
        self.add(name, np.max(share).item(), 1.0)

    def outcome(self) -> Outcome:
        return Outcome(self.failures, self.worst)
