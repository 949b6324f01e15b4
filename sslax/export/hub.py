"""A folder as timm's networks have it on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sslax import calls, convert, models
from sslax.core import Net
from sslax.export.features import Features, about, reads
from sslax.nets import main_output
from sslax.train.fitting import statistics_of, under

__all__ = ["hub_files"]


def hub_files(features: Features) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The config and the tensors of the same network in timm.

    Args:
      features: from `open_features`.

    Returns:
      What goes into `config.json`, and what into `model.safetensors`.

    Raises:
      ValueError: if the features are not what one network makes of a normalised image,
        or timm has no network that computes the same.
    """
    path, call = _network(features)
    height, width, channels = features.shape
    if height != width:
        raise ValueError(f"timm's networks are of square images; got {features.shape}")
    name, arguments = convert.in_timm(call, image_size=height, channels=channels)
    _check_alone(features, path, call)
    trees = {"params": features.params, "extra": features.extra}
    params, stats = _at(trees, path), _at(trees, statistics_of(path) or "")
    images = jax.ShapeDtypeStruct((1, *features.shape), jnp.float32)
    tensors = convert.to_torch(
        _on_grid(params, call, images),
        stats,
        model=call,
        source="timm",
        inputs=[images],
    )
    return _config(features, name, arguments), tensors


def _config(features: Features, name: str, arguments: Mapping[str, Any]):
    center = features.center
    mean, deviation = features.statistics
    height, width, channels = features.shape
    told = about(features)
    return {
        "architecture": name,
        "num_classes": 0,
        "num_features": told["output"]["shape"][1],
        "model_args": dict(arguments),
        "pretrained_cfg": {
            "input_size": [channels, height, width],
            "fixed_input_size": "img_size" in arguments,
            "interpolation": center.get("resize", "bicubic"),
            "crop_pct": _part(center),
            "crop_mode": "center",
            "mean": mean,
            "std": deviation,
            "num_classes": 0,
        },
        "sslax": told,
    }


def _part(center: Mapping[str, Any]) -> float:
    """How much of the short side is kept."""
    if center.get("fraction"):
        return center["fraction"]
    return center["size"] / (center.get("resize_to") or center["size"])


def _network(features: Features) -> tuple[str, Mapping[str, Any]]:
    """Path and call of the one network whose arrays the features depend on."""
    names = set(reads(features))
    method = features.config["method"]
    groups = [k for k, v in method.items() if isinstance(v, Mapping) and "name" in v]
    for group in groups:
        for path in (f"params/{group}", f"extra/teacher/{group}"):
            where = statistics_of(path) or ""
            own = {*under(names, path).values(), *under(names, where).values()}
            if names and own == names:
                return path, method[group]
    raise ValueError(
        f"the features of {method.get('name')} are not of one network, but of "
        f"{sorted({name.rpartition('/')[0] for name in names})[:4]} ...; timm has no "
        "such network: take --format=jax, onnx or safetensors"
    )


def _at(tree: Any, path: str) -> Any:
    for part in path.split("/"):
        tree = tree.get(part, {})
    return tree


def _check_alone(features: Features, path: str, call: Mapping[str, Any]) -> None:
    """Raises unless the network alone, on a normalised image, gives the features."""
    net, where = calls.build(call, Net), statistics_of(path) or ""
    mean, deviation = (np.array(x, np.float32) for x in features.statistics)

    def both(params, extra, images):
        trees = {"params": params, "extra": extra}
        seen = (images - mean.reshape(1, 1, 1, -1)) / deviation.reshape(1, 1, 1, -1)
        out, _ = net.apply(_at(trees, path), _at(trees, where), seen)
        return features.compute(params, extra, images), main_output(net, out)

    generator = np.random.default_rng(0)
    images = generator.random((2, *features.shape), dtype=np.float32)
    made = jax.jit(both)(features.params, features.extra, images)
    ours, alone = (np.asarray(x, np.float32) for x in made)
    if ours.shape != alone.shape or not np.allclose(ours, alone, rtol=1e-3, atol=1e-4):
        raise ValueError(
            f"the features of {features.config['method'].get('name')} are not what the "
            f"network at {path!r} makes of a normalised image; timm has no such "
            "network: take --format=jax, onnx or safetensors"
        )


def _on_grid(params, call, images):
    """Learned positions for the grid of these images, as ours resizes them."""
    net = calls.build({k: v for k, v in call.items() if k != "scan"}, Net)
    wanted, _ = jax.eval_shape(net.init, jax.random.key(0), images)
    table, place = params.get("pos_embed"), wanted.get("pos_embed")
    if table is None or place is None or table.shape == place.shape:
        return params
    side = images.shape[1] // call.get("patch_size", 16)
    resized = models.resize_positions(
        jnp.asarray(table),
        height=side,
        width=side,
        prefix=int(call.get("class_token", True)),
        convention=call.get("resize", "size"),
    )
    return {**params, "pos_embed": np.asarray(resized)}
