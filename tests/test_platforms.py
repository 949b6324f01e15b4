"""What suits this machine."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import jax, jax.numpy as jnp
from sslax import platforms
assert platforms.keep_memory() if sys.argv[1] == "kept" else True
step = jax.jit(lambda x: jnp.sin(jnp.cos(x) @ x))  # a temporary of 16 MB
x = jnp.ones((2000, 2000))
for i in range(6):
    if i == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_memory_that_is_kept_is_not_cleared_anew():
    assert faults("plain") > 3 * 4000
    assert faults("kept") < 1000
