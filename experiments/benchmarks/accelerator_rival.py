"""The side of the benchmark on an accelerator that asks for PyTorch's steps."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from experiments.benchmarks.methods import PEERS, crops
from experiments.benchmarks.peers import Peers
from sslax import calls
from sslax.core import Method


def question(config: Mapping[str, Any], *, dtype: str, compiled: bool):
    """A case as the peer takes it: defaults of the method filled in."""
    spec = config["method"]
    called = inspect.signature(calls.function(spec["name"], Method)).parameters
    given = {k: p.default for k, p in called.items() if p.default is not p.empty}
    kept = {k: config[k] for k in ("views", "steps")}
    return {
        "config": {**kept, "method": {**given, **spec}},
        "sizes": crops(config["views"]),
        "batch": config["batch_size"],
        "dtype": dtype,
        "compile": compiled,
    }


class Rival:
    """The peer, started when it is asked, and again after it has ended."""

    def __init__(self, python: str):
        self._python, self._peers = python, None

    def ask(self, **asked: Any) -> Any:
        """The answer; RuntimeError if the process ends instead."""
        if self._peers is None:
            module = "experiments.benchmarks.accelerator_peers"
            self._peers = Peers(self._python, module)
        try:
            return self._peers.ask(**asked)
        except (RuntimeError, OSError) as error:
            with contextlib.suppress(OSError):
                self._peers.close()
            self._peers = None
            raise RuntimeError(f"the peer ended: {error!r:.200}") from error

    def steps(self, told: Mapping[str, Any], *, calls: int) -> dict[str, Callable]:
        """A turn of so many steps in each form that works."""
        return {
            form: functools.partial(self.ask, form=form, steps=calls)
            for form in told.get("first", ())
        }

    def free(self) -> None:
        """The memory of the last case is there for the next one."""
        if self._peers is not None:
            with contextlib.suppress(RuntimeError):
                self.ask()


def prepared(
    rival: Rival | None, config: Mapping[str, Any], *, dtype: str, compiled: bool
) -> dict[str, Any]:
    """What came of a config at the peer, as a row has it."""
    if rival is None or config["method"]["name"] not in PEERS:
        return {"peer": {}}
    try:
        told = rival.ask(case=question(config, dtype=dtype, compiled=compiled))
    except RuntimeError as error:
        return {"peer": {"failed": {"process": str(error)}}}
    # That of the last form, which is the compiled one where there is one.
    peaks = [None, *told["peak"].values()]
    return {"peer": told, "torch GiB": peaks[-1]}
