"""What suits this machine."""

import ctypes
import platform
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models, platforms

PROGRAM = """
import ctypes
from sslax import platforms

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

library.mallinfo2.restype = Info

def mapped_and_kept():
    before = library.mallinfo2()
    place = library.malloc(2**26)
    during = library.mallinfo2()
    library.free(place)
    after = library.mallinfo2()
    return during.hblks - before.hblks, after.arena - before.arena >= 2**25

print(mapped_and_kept(), platforms.keep_memory(), mapped_and_kept())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="needs glibc 2.33",
)
def test_large_memory_is_kept_once_it_is_freed():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, False) True (0, True)"


def widest_fusion(depth):
    """Operands of the widest fused loop of a transformer's gradient."""
    net = models.vit_tiny(patch_size=8, width=32, heads=2, depth=depth)
    x = jnp.zeros((3, 32, 32, 3))
    params, _ = jax.eval_shape(net.init, jax.random.key(0), x)
    gradient = jax.jit(jax.grad(lambda p: net.apply(p, {}, x)[0].sum()))
    text = gradient.lower(params).compile().as_text()
    found = re.findall(r" fusion\((.*?)\), kind", text)
    return max(operands.count("%") for operands in found)


def test_no_loop_of_a_block_reads_what_other_blocks_made():
    assert widest_fusion(depth=4) == widest_fusion(depth=2)


def test_what_is_computed_once_is_the_same_in_value_and_gradient():
    x = jnp.array([1.0, 0.3, -2.0], jnp.bfloat16)
    once = jax.jit(platforms.computed_once)(x)
    np.testing.assert_array_equal(once, x)
    assert once.dtype == x.dtype
    second = jax.vmap(jax.grad(jax.grad(lambda x: platforms.computed_once(x) ** 3)))
    np.testing.assert_array_equal(second(jnp.array([1.0, -2.0])), [6.0, -12.0])
    text = jax.jit(platforms.traced_for("tpu", platforms.computed_once)).lower(x)
    assert "call" not in text.as_text()
