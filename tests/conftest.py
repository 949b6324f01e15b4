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

import jax  # noqa: E402 - after the choice of platform
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from tests import typed  # noqa: E402

CACHE = FOLDER / "jax"
CROWDED, MAPPINGS = 4 * 2**30, 20_000

typed.check_cheaply()
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Optimised code is not the point of most tests; the reference losses in float32 are
# computed with it, as users compile (goldens/check.py).
jax.config.update("jax_disable_most_optimizations", True)
jax.config.update("jax_compilation_cache_dir", str(CACHE))
# A twentieth of what is compiled takes longer; between modules nothing else is kept.
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
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


@pytest.fixture
def rng():
    """Numbers that do not depend on which tests ran before."""
    return np.random.default_rng(0)
