"""Attention of queries, keys and values, in the form that suits what it runs on."""

from __future__ import annotations

import importlib
import math
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from sslax import platforms
from sslax.arrays import at_least_float32
from sslax.checks import check_choice

__all__ = ["FORMS", "LONG", "attend", "attention_map", "form_of", "plain_attention"]

FORMS = ("auto", "xla", "cudnn", "flash")

# Tokens from which the kernel for TPU is taken. Compiled for v5e, a layer with its
# gradient then moves a quarter to a third less, and less the longer; at 197 tokens an
# eighth, which the kernel's steps, short there, may cost again (docs/pods.md).
LONG = 256


def attend(
    q: Float[Array, "b n h d"],
    k: Float[Array, "b n h d"],
    v: Float[Array, "b n h d"],
    bias: Float[Array, "_ _ n n"] | None = None,
    *,
    form: str = "auto",
) -> Float[Array, "b n h d"]:
    """Attention; the softmax is in float32 at least.

    Args:
      q: queries.
      k: keys.
      v: values.
      bias: added to the logits, 1 for what is shared; None adds nothing.
      form: "xla" (the weights `[b h n n]` are an array), "cudnn" or "flash" (they never
        leave the chip), or "auto", see `form_of`.

    Returns:
      The weighted values, in the dtype of `q`.

    Raises:
      ValueError: as `form_of`.
    """
    return _COMPUTED[form_of(form, q, bias)](q, k, v, bias)


def form_of(form: str, q: Any, bias: Any = None) -> str:
    """The form that attention takes, on the platform that is traced for.

    "auto" is cuDNN's kernel on NVIDIA's GPUs from Ampere on, in 16 bits; JAX's splash
    kernel on TPUs from `LONG` tokens on; and the plain form elsewhere, with a bias of
    the logits, and in float64.

    Args:
      form: one of `FORMS`.
      q: queries, or their shape and dtype.
      bias: what is added to the logits, or None.

    Returns:
      "xla", "cudnn" or "flash".

    Raises:
      ValueError: for another name, and for a form that is impossible here.

    Example:
      >>> form_of("auto", jax.ShapeDtypeStruct((2, 785, 12, 64), jnp.bfloat16))
      'xla'
    """
    check_choice(FORMS, attention=form)
    platform = platforms.target()
    if form in _AGAINST:
        against = _AGAINST[form](q, bias, platform)
        if against:
            raise ValueError(
                f"attention={form!r} {against}; expected attention='auto' or 'xla' here"
            )
        return form
    if form == "auto" and not _against_cudnn(q, bias, platform) and _recent():
        return "cudnn"
    if form == "auto" and not _against_flash(q, bias, platform):
        return "flash" if q.shape[1] >= LONG and _placed() else "xla"
    return "xla"


def _against_cudnn(q: Any, bias: Any, platform: str) -> str:
    """Why cuDNN's kernel cannot be taken, or ""."""
    if platform not in ("gpu", "cuda"):
        return f"is for GPUs, and this is traced for {platform}"
    if q.dtype not in (jnp.bfloat16, jnp.float16):
        return f"needs bfloat16 or float16, got {q.dtype}"
    if q.shape[-1] % 8 or q.shape[-1] > 128:
        return f"needs heads of 8, 16, ... or 128 channels, these have {q.shape[-1]}"
    if bias is not None:
        return "takes no bias of the logits, and this network has one"
    return "" if _cudnn() else "needs cuDNN and JAX's CUDA plugin, not found"


def _against_flash(q: Any, bias: Any, platform: str) -> str:
    """Why the kernel for TPU cannot be taken, or ""."""
    if platform != "tpu":
        return f"is for TPUs, and this is traced for {platform}"
    if q.dtype not in (jnp.bfloat16, jnp.float32):
        return f"needs bfloat16 or float32, got {q.dtype}"
    if q.shape[-1] % 8:
        return f"needs heads of 8, 16, ... channels, these have {q.shape[-1]}"
    return "" if bias is None else "takes no bias of the logits, this network has one"


_AGAINST = {"cudnn": _against_cudnn, "flash": _against_flash}


@cache
def _cudnn() -> bool:
    """Whether JAX finds cuDNN; a plan has it without a driver or a device."""
    for name in ("jax_cuda13_plugin", "jax_cuda12_plugin", "jaxlib.cuda"):
        try:
            return importlib.import_module(f"{name}._versions").cudnn_get_version() > 0
        except ImportError:
            continue
        except RuntimeError:  # the plugin is there, the library is not
            return False
    return False


def _recent() -> bool:
    """Whether GPUs of this machine have cuDNN's fused attention: Ampere and later."""
    if jax.default_backend() != "gpu":  # a plan, for chips that have it
        return True
    return float(jax.local_devices()[0].compute_capability) >= 8.0


def _placed() -> bool:
    """Whether it is known how the batch lies: no partitioner can split this kernel."""
    return not jax.sharding.get_abstract_mesh().empty or jax.device_count() == 1


@partial(jax.jit, inline=True)
def plain_attention(q, k, v, bias=None):
    """The form "xla", which takes any number of queries: q `[b q h d]`."""
    if q.dtype == jnp.float64:  # the fused form takes its softmax in float32
        return jnp.einsum("bhqk,bkhd->bqhd", attention_map(q, k, bias), v)
    return jax.nn.dot_product_attention(q, k, v, bias)


def _with_cudnn(q, k, v, bias):
    """JAX trains with cuDNN at even lengths only: a key is added that none looks at."""
    del bias
    cudnn = partial(jax.nn.dot_product_attention, implementation="cudnn")
    b, n = q.shape[:2]
    if n % 2 == 0:
        return cudnn(q, k, v)
    q, k, v = (jnp.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0))) for x in (q, k, v))
    lengths = jnp.full((b,), n, jnp.int32)
    return cudnn(q, k, v, key_value_seq_lengths=lengths)[:, :n]


def _with_flash(q, k, v, bias):
    """Each device computes its own images, where a mesh says how they lie."""
    from sslax.models._flash import flash  # imports Pallas: a tenth of a second

    del bias
    mesh = jax.sharding.get_abstract_mesh()
    axes = () if mesh.empty else mesh.auto_axes
    if not axes:
        return flash(q, k, v)
    ways = math.prod(mesh.shape[axis] for axis in axes)
    spec = PartitionSpec() if q.shape[0] % ways else PartitionSpec(axes)
    return jax.shard_map(
        flash, in_specs=(spec,) * 3, out_specs=spec, axis_names={*axes}, check_vma=False
    )(q, k, v)


_COMPUTED = {"xla": plain_attention, "cudnn": _with_cudnn, "flash": _with_flash}


def attention_map(q, k, bias=None):
    """Softmax weights `[b h q k]` of queries and keys `[b n h d]`."""
    logits = jnp.einsum("bqhd,bkhd->bhqk", q, k) / float(np.sqrt(q.shape[-1]))
    logits = logits if bias is None else logits + bias
    return jax.nn.softmax(at_least_float32(logits), axis=-1).astype(q.dtype)
