"""One function for each format: features in, bytes or arrays out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sslax import platforms
from sslax.export.features import Features, about, reads
from sslax.train.stored import paths_of

__all__ = ["PLATFORMS", "arrays_of", "graph_of", "program_of"]

# What a program is lowered for; one file serves all.
PLATFORMS = ("cpu", "cuda", "tpu")

# Networks are traced as for a GPU: convolutions are convolutions, not the products of
# shifted copies that a CPU does faster and no other runtime knows again.
_TRACED_FOR = "cuda"

_LARGEST = 2**31 - 1  # of a protobuf message, and with it of an ONNX file


def program_of(features: Features) -> bytes:
    """A StableHLO program with the weights in it, for any batch size.

    Args:
      features: from `open_features`.

    Returns:
      What `jax.export.deserialize` reads.

    Raises:
      ValueError: if flatbuffers is not installed, which JAX writes such files with.
    """
    (batch,) = jax.export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, *features.shape), jnp.float32)
    compute = jax.jit(_traced(features))
    exported = jax.export.export(compute, platforms=PLATFORMS)(images)
    try:
        return bytes(exported.serialize())
    except ImportError as error:
        raise ValueError(
            f"programs of JAX need flatbuffers: pip install 'sslax[export]' ({error})"
        ) from error


def graph_of(features: Features) -> bytes:
    """An ONNX graph with the weights in it, for any batch size.

    Args:
      features: from `open_features`, in float32.

    Returns:
      What ONNX runtimes read.

    Raises:
      ValueError: if jax2onnx is not installed, or does not know an operation of the
        network; or if the graph is larger than a file of ONNX can be.
    """
    to_onnx = _jax2onnx()
    size = sum(x.nbytes for x in arrays_of(features, read=True)[0].values())
    if size > _LARGEST:
        raise ValueError(
            f"the network has {size / 2**30:.1f} GiB of weights, and an ONNX file "
            "holds 2 GiB: take --format=jax"
        )
    try:
        model = to_onnx(
            _traced(features),
            [("batch", *features.shape)],
            model_name="sslax",
            input_names=["images"],
            output_names=["features"],
        )
    except NotImplementedError as error:
        raise ValueError(
            f"jax2onnx knows no ONNX for this network: {error}; take --format=jax"
        ) from error
    entry = model.metadata_props.add()
    entry.key, entry.value = "sslax", json.dumps(about(features))
    return model.SerializeToString()


def arrays_of(
    features: Features, *, read: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a run by path, and the header of a safetensors file for them.

    Args:
      features: from `open_features`.
      read: only those that the features depend on; else heads, teachers, queues and
        all, so that another run can start from them and go on.

    Returns:
      (arrays, texts by name).
    """
    names = reads(features)
    arrays = paths_of({"params": features.params, "extra": features.extra})
    arrays = {k: np.asarray(x) for k, x in arrays.items() if k in names or not read}
    header = {
        "format": "sslax",
        "features": json.dumps({**about(features), "reads": names}),
        "config": json.dumps(features.config),
    }
    return arrays, header


def _traced(features: Features) -> Callable[[Any], Any]:
    params, extra = jax.tree.map(jnp.asarray, (features.params, features.extra))

    def compute(images):
        return features.compute(params, extra, images)

    return platforms.traced_for(_TRACED_FOR, compute)


def _jax2onnx() -> Callable[..., Any]:
    try:
        from jax2onnx import to_onnx
    except ImportError as error:
        raise ValueError(
            f"ONNX needs jax2onnx: pip install 'sslax[export]' ({error})"
        ) from error
    return to_onnx
