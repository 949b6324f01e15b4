"""The features of a run, or of converted weights, as a function of images alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import calls, convert, views
from sslax.augment.parts import statistics_of
from sslax.core import Method, Net
from sslax.kinds import Builder
from sslax.nets import main_output
from sslax.results.evaluation import restore_run
from sslax.results.weights import are_weights
from sslax.train.stored import paths_of

__all__ = ["Features", "about", "open_features", "reads"]


class Features(NamedTuple):
    """The features of a network as a function of images.

    Attributes:
      compute: `(params, extra, images [b h w c], float in [0, 1]) -> [b d]`. What the
        run's evaluation view does to an image of this size is in it, so is the
        normalisation.
      params: the parameters, on the host.
      extra: the state that is not trained, on the host.
      shape: height, width and channels of the images.
      config: the resolved config; of converted weights `method.encoder` and
        `normalize` alone.
      step: of the checkpoint; None of converted weights.
      center: the call that cuts an image of this size out of a larger one.
      statistics: mean and deviation that are taken out, a number for each channel.
    """

    compute: Callable[[Any, Any, Array], Array]
    params: Mapping[str, Any]
    extra: Mapping[str, Any]
    shape: tuple[int, int, int]
    config: Mapping[str, Any]
    step: int | None
    center: Mapping[str, Any]
    statistics: tuple[list[float], list[float]]


def open_features(
    folder: str,
    *,
    step: int | str | None = None,
    image_size: int | None = None,
    normalize: str | None = None,
    float32: bool = False,
) -> Features:
    """Opens the features of a run as it is evaluated, or of converted weights.

    Args:
      folder: of a run, or of `sslax convert`.
      step: which checkpoint of a run; the newest by default, or "best".
      image_size: side of the images; by default that of the run's evaluation, or that
        the weights were converted for.
      normalize: statistics that converted weights see images with, "imagenet" by
        default; a run has its own.
      float32: compute in float32 what the run computes in half precision.

    Returns:
      The features.

    Raises:
      ValueError: if there is no network, it is not one of images that a center view
        shows, or it cannot take images of this size.
    """
    change = _in_float32 if float32 else _same
    if are_weights(folder):
        features = _of_weights(
            folder, step, image_size, normalize or "imagenet", change
        )
    else:
        if normalize is not None:
            raise ValueError(
                f"{folder!r} is a run, which normalizes as its config says; leave out "
                f"normalize={normalize!r}"
            )
        features = _of_run(folder, step, image_size, change)
    _shape_of(features)  # what does not fit is known before anything is written
    return features


def about(features: Features) -> dict[str, Any]:
    """What whoever uses the features must know, as plain values for JSON.

    Args:
      features: from `open_features`.

    Returns:
      Input, output, what is done to an image before and what is inside.
    """
    mean, deviation = features.statistics
    return {
        "made_by": f"sslax {importlib.import_module('sslax').__version__}",
        "method": features.config["method"].get("name"),
        "step": features.step,
        "input": {
            "name": "images",
            "shape": ["batch", *features.shape],
            "axes": ["batch", "height", "width", "channel"],
            "dtype": "float32",
            "range": [0.0, 1.0],
        },
        "before": dict(features.center),
        "inside": {"normalize": {"mean": mean, "deviation": deviation}},
        "output": {
            "name": "features",
            "shape": ["batch", *_shape_of(features).shape[1:]],
            "dtype": "float32",
        },
    }


def reads(features: Features) -> list[str]:
    """The arrays that the features depend on, by path.

    Args:
      features: from `open_features`.

    Returns:
      Paths such as "params/encoder/conv1/kernel".
    """
    trees = jax.eval_shape(lambda: (features.params, features.extra))
    images = jax.ShapeDtypeStruct((1, *features.shape), jnp.float32)
    exported = jax.export.export(jax.jit(features.compute))(*trees, images)
    names = [*paths_of({"params": trees[0]}), *paths_of({"extra": trees[1]})]
    kept = [i for i in exported.module_kept_var_idx if i < len(names)]
    return [names[i] for i in kept]


def _of_run(folder, step, image_size, change) -> Features:
    run, state = restore_run(folder, step)
    config = run.config
    look = config["evaluate"]["views"]
    center = next(_centers(look), None)
    if center is None:
        raise ValueError(
            f"the run in {folder!r} is not evaluated on the center of images, but on "
            f"{look.get('name')!r}: its features are no function of an image"
        )
    side = image_size or center["size"]
    config = {**config, "method": _changed(config["method"], change)}
    method = calls.build(config["method"], Method)
    output, key = method.outputs["features"], jax.random.key(config["seed"])
    see = views.normalized(
        calls.build(_changed(look, _of_side(side)), Builder),
        statistics=config["normalize"],
    )

    def compute(params, extra, images):
        return output(params, extra, see(key, {"image": images}), key=key)

    channels = run.loader.shapes["image"].shape[-1]
    return Features(
        compute=compute,
        params=jax.device_get(state.params),
        extra=jax.device_get(state.extra),
        shape=(side, side, channels),
        config=config,
        step=int(state.step),
        center=_scaled(center, side),
        statistics=_numbers(config["normalize"], channels),
    )


def _of_weights(folder, step, image_size, normalize, change) -> Features:
    if step is not None:
        raise ValueError(f"{folder!r} holds converted weights, which have no step")
    call, inputs = convert.model_of(folder)
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise ValueError(f"{call['name']} in {folder!r} is not a network of images")
    _, params, stats = convert.load(folder)
    call = _changed(call, change)
    net = calls.build(call, Net)
    _, height, width, channels = inputs[0].shape
    shape = (image_size or height, image_size or width, channels)
    see = views.normalized(lambda key, batch: batch, statistics=normalize)

    def compute(params, extra, images):
        (seen,) = see(None, {"views": (images,)})["views"]
        stats = extra["stats"]["encoder"]
        return main_output(net, net.apply(params["encoder"], stats, seen)[0])

    return Features(
        compute=lambda *given: jnp.asarray(compute(*given), jnp.float32),
        params={"encoder": jax.device_get(params)},
        extra={"stats": {"encoder": jax.device_get(stats)}},
        shape=shape,
        config={"method": {"encoder": call}, "normalize": normalize},
        step=None,
        center={"name": "center", "size": shape[0]},
        statistics=_numbers(normalize, channels),
    )


def _shape_of(features: Features) -> Any:
    """The shape of what comes out."""
    images = jax.ShapeDtypeStruct((1, *features.shape), jnp.float32)
    try:
        return jax.eval_shape(features.compute, features.params, features.extra, images)
    except Exception as error:  # Flax and JAX have errors of their own
        raise ValueError(
            f"features cannot be computed of images of {features.shape}: {error}"
        ) from error


def _numbers(statistics, channels: int) -> tuple[list[float], list[float]]:
    """A mean and a deviation for each channel."""
    if statistics is None:
        return [0.0] * channels, [1.0] * channels
    mean, deviation = (
        list(values) * (channels // len(values))
        for values in statistics_of(statistics, channels)
    )
    return mean, deviation


def _changed(spec: Any, change: Callable[[dict], dict]) -> Any:
    """A call with every call in it changed."""
    if isinstance(spec, Mapping):
        return change({k: _changed(v, change) for k, v in spec.items()})
    if isinstance(spec, list | tuple):
        return [_changed(v, change) for v in spec]
    return spec


def _same(spec: dict) -> dict:
    return spec


def _in_float32(spec: dict) -> dict:
    half = spec.get("dtype") in ("bfloat16", "float16")
    return {**spec, "dtype": "float32"} if half else spec


def _of_side(side: int) -> Callable[[dict], dict]:
    """Views of images that have this size already."""

    def change(spec):
        if spec.get("name") != "center":
            return spec
        return {**spec, "size": side, "resize_to": None}

    return change


def _centers(spec: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(spec, Mapping):
        if spec.get("name") == "center":
            yield spec
        for value in spec.values():
            yield from _centers(value)


def _scaled(center: Mapping[str, Any], side: int) -> dict[str, Any]:
    """The same part of an image, for another size."""
    scaled = {**center, "size": side}
    if center.get("resize_to"):
        scaled["resize_to"] = round(center["resize_to"] * side / center["size"])
    return scaled
