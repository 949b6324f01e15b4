"""What suits this machine."""

import ctypes
import platform
import re
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models, optim, platforms, sharding, step
from sslax.train import outputs
from sslax.train.run import Run

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


def options_of(net, shape):
    params, _ = jax.eval_shape(net.init, jax.random.key(0), np.zeros(shape, np.float32))
    return platforms.compiler_options("cpu", params)


def test_convolutional_networks_do_without_a_library_on_cpu(monkeypatch):
    """Twice the time for a small one; transformers are the faster for it."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    off = {"xla_cpu_experimental_ynn_fusion_type": ""}
    images = (2, 32, 32, 3)
    assert options_of(models.convnet(widths=(4, 8)), images) == off
    assert options_of(models.resnet18(stem="cifar", width=4), images) == off
    assert options_of(models.vit_tiny(patch_size=8), images) == {}
    assert options_of(models.mlp(hidden=4, dim=2), (2, 8)) == {}
    params = models.convnet(widths=(4, 8)).init(jax.random.key(0), np.zeros(images))[0]
    assert platforms.compiler_options("tpu", params) == {}
    assert platforms.compiler_options("cpu", params) == off
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_experimental_ynn_fusion_type=")
    assert platforms.compiler_options("cpu", params) == {}


def test_an_option_that_xla_does_not_have_is_left_out():
    assert platforms._takes("xla_cpu_enable_fast_min_max", False)
    assert not platforms._takes("xla_cpu_no_such_option", "")


def test_steps_and_outputs_have_the_options_of_their_networks(monkeypatch):
    asked = []

    def options(platform, params):
        asked.append((platform, jax.tree.map(lambda p: p.shape, params)))
        return {"xla_cpu_no_such_option": True}

    monkeypatch.setattr(platforms, "compiler_options", options)
    method = methods.simsiam(models.mlp(hidden=4, dim=4), hidden=4, dim=4, bottleneck=2)
    txs = {name: optim.sgd(learning_rate=0.1) for name in method.objectives}
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    batch = {"views": np.ones((2, 2, 3), np.float32)}
    parts = method, txs, lambda key, batch: batch, mesh
    init, shapes = step.compile_init(*parts, sharding.replicated(), batch)
    train, key = step.compile_step(*parts, shapes), jax.random.key(0)
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_cpu_no_such_option"):
        train(init(batch, key), batch, key)
    assert asked == [("cpu", jax.tree.map(lambda p: p.shape, shapes.params))]
    program = types.SimpleNamespace(shapes=shapes, mesh=mesh)
    run = Run(config={}, loader=None, program=program, feed=None)
    read = outputs._compile(run, lambda *_: 0.0)
    assert asked[1:] == asked[:1]
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_cpu_no_such_option"):
        read(shapes.params, shapes.extra, 0, batch, key)
