"""Weights from and to PyTorch, as pure functions of dicts of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sslax.convert._blocks import as_list, as_stack
from sslax.convert._names import Name
from sslax.convert._prefix import choose_prefix
from sslax.convert._report import Report, format_report, report_of, shape_text
from sslax.convert._target import addresses, check_arrays, names_of, target_of

__all__ = ["from_torch", "to_torch"]


def from_torch(
    state_dict: Mapping[str, Any],
    *,
    model: str | Mapping[str, Any],
    source: str = "timm",
    image_size: int | None = None,
    inputs: Sequence[Any] | None = None,
    prefix: str | None = None,
    strict: bool = True,
) -> tuple[dict[str, Any], dict[str, Any], Report]:
    """Parameters and statistics of a network from tensors under their names in torch.

    Which of the tensors are the network is found out: `module.`, `teacher.backbone.`,
    `encoder_q.` and the like may stand before the names. Of equally good ones the
    teacher is taken before the student, and the encoder that is trained before its
    moving average in the MoCo family; the report names the choice. Half precision
    becomes float32; nothing else changes but the order of axes.

    Args:
      state_dict: arrays by dotted name, of NumPy or JAX.
      model: a name as timm or the paper's code has it ("vit_small_patch16_224",
        "mae_vit_base_patch16"), or a call of `sslax.models`:
        {"name": "vit_base", "positions": "sincos"}.
      source: whose names: "timm", or "torch" for torchvision and papers' own code.
      image_size: side of the images that the weights are for; by default what the
        name says, or 224.
      inputs: arrays or shapes to start a network with that is not of images.
      prefix: what stands before the names, where the choice should be another.
      strict: raise if anything is missing, misshaped or unexpected; else give what
        there is.

    Returns:
      (params, stats, report): the first two fit the net that the call makes.

    Raises:
      ValueError: an unknown model or source; no or several networks in the file that
        fit; tensors that are missing, misshaped or unexpected, all of them by name.

    Example:
      >>> import numpy as np
      >>> tensors = {"module.fc.weight": np.ones((2, 3)), "module.fc.bias": np.ones(2)}
      >>> params, stats, report = from_torch(
      ...     tensors,
      ...     model={"name": "linear", "dim": 2},
      ...     inputs=[np.ones((1, 3))],
      ... )
      >>> params["linear1"]["kernel"].shape, report.prefix
      ((3, 2), 'module.fc.')
    """
    target = target_of(model, source=source, image_size=image_size, inputs=inputs)
    names = names_of(target)
    prefix = choose_prefix(state_dict, names, target) if prefix is None else prefix
    tree: dict[str, Any] = {"params": {}}
    missing, misshaped, taken = [], [], set()
    for (where, path), shape in target.shapes.items():
        tree.setdefault(where, {})
        name = names[where, path]
        found = _found(state_dict, prefix, name)
        if found is None:
            missing.append(f"{prefix}{name.torch or path}")
            continue
        taken.add(found)
        value, wanted = state_dict[found], _shape_in_torch(name, shape)
        if tuple(value.shape) != wanted:
            misshaped.append(
                f"{found} is {shape_text(value.shape)}, not {shape_text(wanted)}"
            )
            continue
        _put(tree[where], path, _raised(name.transform.to_ours(value)))
    for name, fixed in target.table.fixed.items():
        if f"{prefix}{name}" in state_dict:
            taken.add(f"{prefix}{name}")
            misshaped += _differing(f"{prefix}{name}", state_dict, fixed)
    report = report_of(
        target.table, state_dict, prefix, taken, missing=missing, misshaped=misshaped
    )
    if strict and (report.missing or report.misshaped or report.unexpected):
        raise ValueError(
            f"the tensors do not fit {target.call['name']}:\n{format_report(report)}"
        )
    params, stats = tree.pop("params"), tree
    return as_stack(params) if target.call.get("scan") else params, stats, report


def to_torch(
    params: Mapping[str, Any],
    stats: Mapping[str, Any],
    *,
    model: str | Mapping[str, Any],
    source: str = "timm",
    image_size: int | None = None,
    inputs: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """Parameters and statistics under their names in torch: `from_torch` backwards.

    Fixed positions and batch counters, which torch keeps among the weights, are added.
    timm's networks have no mask token: for them it is left out.

    Args:
      params: parameters of the net that `model` means.
      stats: its statistics.
      model: as in `from_torch`.
      source: whose names: "timm", or "torch" for torchvision and papers' own code.
      image_size: as in `from_torch`.
      inputs: as in `from_torch`.

    Returns:
      Arrays by dotted name.

    Raises:
      ValueError: an unknown model or source, or arrays that are not those of the model.

    Example:
      >>> import numpy as np
      >>> params = {"linear1": {"kernel": np.ones((3, 2)), "bias": np.ones(2)}}
      >>> model = {"name": "linear", "dim": 2}
      >>> to_torch(params, {}, model=model, inputs=[np.ones((1, 3))])["weight"].shape
      (2, 3)
    """
    target = target_of(model, source=source, image_size=image_size, inputs=inputs)
    arrays = addresses(as_list(params), stats)
    check_arrays(arrays, target)
    names = names_of(target)
    out = {name: np.array(table) for name, table in target.table.fixed.items()}
    for address, value in arrays.items():
        name = names[address]
        if name.torch is None:
            continue
        out[name.torch] = name.transform.to_torch(value)
        layer, _, leaf = name.torch.rpartition(".")
        if leaf == "running_mean":
            out[f"{layer}.num_batches_tracked"] = np.array(0)
    return out


def _found(state_dict, prefix, name: Name) -> str | None:
    for candidate in (name.torch, name.otherwise):
        if candidate is not None and f"{prefix}{candidate}" in state_dict:
            return f"{prefix}{candidate}"
    return None


def _shape_in_torch(name: Name, shape) -> tuple[int, ...]:
    return tuple(jax.eval_shape(name.transform.to_torch, shape).shape)


def _raised(x):
    half = x.dtype in (jnp.bfloat16, jnp.float16)
    return x.astype(np.float32) if half else x


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split("/")
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[last] = value


def _differing(name, state_dict, fixed) -> list[str]:
    """Complains where a stored table is not the one that the network computes."""
    value = state_dict[name]
    if tuple(value.shape) != fixed.shape:
        return [f"{name} is {shape_text(value.shape)}, not {shape_text(fixed.shape)}"]
    traced = isinstance(value, jax.core.Tracer)
    # Some codes compute the table in float32.
    if not traced and not np.allclose(np.asarray(value, np.float32), fixed, atol=1e-3):
        return [f"{name} is not the fixed table of this network"]
    return []
