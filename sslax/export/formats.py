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

_ROUNDING = 1e-3
_OPSET = 21  # what runtimes of 2024 and later read
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
    # One program for all: convolutions are convolutions, and attention is plain.
    compute = jax.jit(_traced(features, "all"))
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
      ValueError: if jax2onnx is not installed, does not know an operation of the
        network, or makes another function of it; or if the graph is larger than a file
        of ONNX can be.
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
            _traced(features, "onnx"),
            [("batch", *features.shape)],
            model_name="sslax",
            opset=_OPSET,
            input_names=["images"],
            output_names=["features"],
        )
    except Exception as error:  # jax2onnx has errors of every kind
        raise ValueError(
            f"jax2onnx has no ONNX for this network: {error}; take --format=jax"
        ) from error
    entry = model.metadata_props.add()
    entry.key, entry.value = "sslax", json.dumps(about(features))
    graph = model.SerializeToString()
    _check_graph(features, graph)
    return graph


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


def _traced(features: Features, platform: str) -> Callable[[Any], Any]:
    params, extra = jax.tree.map(jnp.asarray, (features.params, features.extra))

    def compute(images):
        return features.compute(params, extra, images)

    return platforms.traced_for(platform, compute)


def _check_graph(features: Features, graph: bytes) -> None:
    """Raises unless the graph gives the features: converters fail in silence too."""
    import onnxruntime

    generator = np.random.default_rng(0)
    images = generator.random((2, *features.shape), dtype=np.float32)
    wanted = jax.jit(features.compute)(features.params, features.extra, images)
    wanted = np.asarray(wanted, np.float32)
    providers = ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(graph, providers=providers)
        (got,) = session.run(["features"], {"images": images})
    except Exception as error:  # of a kind of its own
        raise ValueError(
            f"jax2onnx makes a graph of this network that does not run: {error}; take "
            "--format=jax"
        ) from error
    apart = np.abs(got - wanted).max() / np.abs(wanted).max()
    if not apart < _ROUNDING:
        raise ValueError(
            "jax2onnx makes another function of this network: its features are "
            f"{apart:.0e} of the largest apart from JAX's; take --format=jax"
        )


def _jax2onnx() -> Callable[..., Any]:
    try:
        from jax2onnx import to_onnx
    except ImportError as error:
        raise ValueError(
            f"ONNX needs jax2onnx: pip install 'sslax[export]' ({error})"
        ) from error
    return to_onnx
