"""CPC's training steps: looking down, and in several directions."""

from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np

from sslax import augment, methods, models, optim
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

# Cut as both codes do: patches that overlap by half.
PATCH, SKIP = 8, 1
LAYERS = {
    "vertical_conv": "vertical",
    "horizontal_conv": "horizontal",
    "v_to_h_conv": "down",
    "residual_vertical": "skip",
    "horizontal_output": "out",
}


def cpc(case):
    hyper = case["hyper"]
    stored = {g: steps.initial(case, g) for g in ("encoder", "context", "predictor")}
    directions = hyper.get("directions", 1)
    encoder, encoder_names = _encoder(stored["encoder"])
    method = methods.cpc(
        encoder,
        models.pixel_cnn(layers=hyper["layers"]),
        steps=hyper["steps"],
        skip=SKIP,
        negatives=hyper["n"],
        directions=directions,
    )
    batches = _batches(case, directions)
    params, extra = steps.blank(method, steps.first(batches))
    names = Names(encoder_names | _context_names(hyper["layers"]))
    flat = prefixed(stored["encoder"], "encoder/")
    flat |= prefixed(_matrices(stored["context"], hyper["layers"]), "context/")
    read, stats = names.read(
        flat, {k: params[k] for k in ("encoder", "context")}, extra["stats"]
    )
    forms = _forms(stored["predictor"], params["predictor"]["forms"].shape)
    params = {**read, "predictor": {"forms": forms}}
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, {**extra, "stats": stats}
    )
    final = _kernels(names.write(state.params, {}, flat), stored["context"])
    moved = state.params["predictor"]["forms"]
    return {
        "loss": metrics["ssl/loss"],
        "final": final | _form_names(moved, stored["predictor"]),
    }


def _encoder(stored):
    """The pre-activation net of one code, or the two convolutions of the other."""
    if "Conv1.weight" not in stored:
        widths = [len(stored[f"conv{i}.weight"]) for i in (1, 2)]
        names = {f"encoder/conv{i}": f"encoder/conv{i}" for i in (1, 2)}
        net = models.convnet(widths=widths, strides=(2, 2), norm="none")
        return net, names
    names, stages = {"encoder/Conv1": "encoder/conv1"}, {}
    for name in stored:
        found = re.match(r"(layer (\d+)\.(\d+)\.(?:(conv\d)|shortcut\.0))\.", name)
        if found:
            theirs, stage, block, conv = found.groups()
            ours = f"layer{int(stage) + 1}_{block}/{conv or 'shortcut'}"
            names[f"encoder/{theirs}"] = f"encoder/{ours}"
            stages[int(stage)] = 1 + max(int(block), stages.get(int(stage), 1) - 1)
    net = models.preact_resnet(
        stages=[stages[i] for i in sorted(stages)],
        width=len(stored["Conv1.weight"]),
        bottleneck="layer 0.0.conv3.weight" in stored,
        stem="small",
    )
    return net, names


def _context_names(layers):
    return {"context/stack_out": "context/last"} | {
        f"context/stack.layers.{i}.{theirs}": f"context/{ours}{i + 1}"
        for i in range(layers)
        for theirs, ours in LAYERS.items()
    }


def _unread(name, layers):
    """What stands behind the last vertical stack leads nowhere."""
    return name.startswith(f"stack.layers.{layers - 1}.residual_vertical.")


def _matrices(stored, layers):
    """Convolutions as matrices of what they see: (row, column, channel) by channel."""
    out = {}
    for name, value in stored.items():
        if _unread(name, layers):
            continue
        if "vertical_conv" in name and value.ndim == 4:
            if np.any(value[:, :, 2]):
                raise ValueError(f"{name} sees the row below")
            value = value[:, :, :2]
        if value.ndim == 4:
            value = value.transpose(0, 2, 3, 1).reshape(len(value), -1)
        out[name] = value
    return out


def _kernels(final, context):
    """The inverse of `_matrices`; what leads nowhere stays as it was."""
    final = dict(final)
    for name, like in context.items():
        value = final.setdefault(f"context/{name}", like)
        if value.ndim == 2 and like.ndim == 4:
            out, channels, rows, columns = like.shape
            value = value.reshape(out, -1, columns, channels).transpose(0, 3, 1, 2)
            hidden = ((0, 0), (0, 0), (0, rows - value.shape[2]), (0, 0))
            final[f"context/{name}"] = jnp.pad(value, hidden)
    return final


def _form_name(stored, direction, step):
    name = f"W_k.{step}.weight"
    return name if name in stored else f"{direction}.{name}"


def _forms(stored, shape):
    """Theirs multiply the codes, ours the contexts: `[d p e c]`."""
    if len(stored) != shape[0] * shape[1]:
        raise ValueError(f"{len(stored)} predictors for {shape[:2]}")
    forms = [
        [stored[_form_name(stored, i, k)][:, :, 0, 0].T for k in range(shape[1])]
        for i in range(shape[0])
    ]
    return np.array(forms)


def _form_names(forms, stored):
    return {
        f"predictor/{_form_name(stored, i, k)}": forms[i, k].T[:, :, None, None]
        for i in range(forms.shape[0])
        for k in range(forms.shape[1])
    }


def _batches(case, directions):
    """Views cut into grids, and the negatives of each direction and step."""
    hyper, image = case["hyper"], steps.inputs(case, "view0")
    steps.same(batch=(image.shape[1], hyper["batch"]), steps=(len(image), hyper["K"]))
    if "channels" in hyper:
        steps.same(channels=(image.shape[-1], hyper["channels"]))
    cut = [
        augment.patch_grid(jnp.asarray(x), size=PATCH, stride=PATCH // 2) for x in image
    ]
    patches = np.stack(cut)
    if "grid" in hyper:
        steps.same(grid=(patches.shape[2:4], hyper["grid"]))
    several = steps.has(case, "in/negatives0_1")
    negatives = [
        [
            steps.inputs(case, f"negatives{i}_{k}" if several else f"negatives{k}")
            for k in range(1, hyper["steps"] + 1)
        ]
        for i in range(directions)
    ]
    steps.same(n=(negatives[0][0].shape[-1], hyper["n"]))
    return {"views": (patches,), "negatives": negatives}


def _optimizer(case):
    hyper = case["hyper"]
    choice(case["optimizer"], "name", {"torch.optim.Adam": optim.adam})
    given = case["optimizer"]["args"]
    steps.same(lr=(given["lr"], hyper["lr"]))
    steps.agree(case, "lr", hyper["lr"])
    b1, b2 = given["betas"]
    decay = given.get("weight_decay", 0.0)
    return optim.adam(
        learning_rate=hyper["lr"], b1=b1, b2=b2, eps=given["eps"], weight_decay=decay
    )


TRAJECTORIES = {"cpc": cpc}
