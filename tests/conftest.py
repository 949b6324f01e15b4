"""Test settings: 8 fake CPU devices, strict ranks, one compilation cache a run."""

import ctypes
import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling takes most of the time: XLA's older emitters take less than half of it.
QUICK = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip()
# What tests prepare stays inside the project.
FOLDER = Path(__file__).parent.parent / ".cache"
os.environ["SSLAX_DATA_DIR"] = str(FOLDER / "data")
# In the environment, so that it is the same in the processes that tests start.
os.environ |= {
    # Optimised code is not the point of most tests; the reference losses in float32 are
    # computed with it, as users compile (goldens/check.py).
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_COMPILATION_CACHE_DIR": str(FOLDER / "jax"),
    # A twentieth of what is compiled takes longer.
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}

import jax  # noqa: E402 - after the choice of platform
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from tests import compiled, lowered, typed  # noqa: E402

CROWDED, MAPPINGS = 4 * 2**30, 20_000

typed.check_cheaply()
lowered.share_context()
compiled.listen()
jax.config.update("jax_num_cpu_devices", 8)
# The threads that 8 devices share: if each has one, collectives that do not depend on
# each other wait in all of them for others that have none left. Processes that tests
# start have as many as there are cores.
with pytest.MonkeyPatch.context() as patch:
    patch.setenv("PJRT_NPROC", "32")
    jax.devices()
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tracing makes many small objects that live: looking through all of them again and
# again for cycles would be a sixth of its time.
gc.set_threshold(100_000, 50, 100)


@pytest.fixture(autouse=True, scope="module")
def _memory_is_given_back():
    """What thousands of compilations leave behind would fill the machine."""
    yield
    if _crowded():
        jax.clear_caches()
        gc.collect()
        if sys.platform == "linux":
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def _crowded() -> bool:
    """Whether this process holds much memory, or many mappings, of which Linux has few.

    What was traced and compiled before is of use to the next modules until then.
    """
    if sys.platform != "linux":
        return True
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    mappings = Path("/proc/self/maps").read_bytes().count(b"\n")
    return pages * os.sysconf("SC_PAGE_SIZE") > CROWDED or mappings > MAPPINGS


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["compiled"] = compiled.here()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    output = getattr(node, "workeroutput", {})  # a worker that died has none
    if "compiled" in output:
        compiled.add(output["compiled"])


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(compiled.line())


@pytest.fixture
def rng():
    """Numbers that do not depend on which tests ran before."""
    return np.random.default_rng(0)
