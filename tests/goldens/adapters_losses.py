"""Adapters from stored cases to public sslax functions: the other losses.

Reconstruction, self-distillation of patches, tokenizer and pretext losses. The cases
with a network of masked image modelling before the loss stand in `adapters_mim`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import losses, memory
from tests.goldens import adapters_mim, torch_names

CONTRASTIVE: dict = {}


def value_and_grads(function, **inputs):
    """The value, and `grad/name` for every named input, in one compilation."""
    run = jax.jit(jax.value_and_grad(lambda named: function(**named)))
    value, grads = run({name: jnp.asarray(x) for name, x in inputs.items()})
    return value, {f"grad/{name}": g for name, g in grads.items()}


def channels_last(array):
    """NCHW as NHWC."""
    return jnp.moveaxis(jnp.asarray(array), 1, -1)


def alignment_uniformity(arrays, parameters):
    x, y = jax.device_put(arrays["in/x"]), jax.device_put(arrays["in/y"])
    out = {
        f"out/align_alpha{alpha}": losses.alignment(x, y, alpha=alpha)
        for alpha in parameters["alpha"]
    }
    for t in parameters["t"]:
        out[f"out/uniform_x_t{t}"] = losses.uniformity(x, t=t)
        out[f"out/uniform_y_t{t}"] = losses.uniformity(y, t=t)

    def combined(x, y):
        spread = losses.uniformity(x) + losses.uniformity(y)
        return losses.alignment(x, y) + 0.5 * spread

    value, grads = value_and_grads(combined, x=x, y=y)
    return out | {"out/combined": value} | grads


TOKENS = 14  # a side of the grid of MaskFeat's targets


def hog_maskfeat(arrays, parameters):
    images = channels_last(arrays["in/x"])
    bins = parameters["nbins"]
    features = losses.hog(
        images,
        bins=bins,
        cell=parameters["cell"],
        window=parameters["gaussian_window"],
    )
    split = features.reshape((*features.shape[:3], images.shape[-1], bins))
    out = {"out/hog": jnp.moveaxis(split, (1, 2), (3, 4))}
    batch, rows, columns = features.shape[:3]
    if rows % TOKENS == 0 and columns % TOKENS == 0:
        # Tokens of several cells: the place of the cell in the token runs fastest.
        grid = (batch, TOKENS, rows // TOKENS, TOKENS, columns // TOKENS, -1)
        tokens = features.reshape(grid).transpose(0, 1, 3, 5, 2, 4)
        out["out/target"] = tokens.reshape((batch, TOKENS**2, -1))
    return out


def ibot_loss(arrays, parameters):
    crops, local = parameters["global_crops"], parameters["local_crops"]
    batch, epoch = parameters["batch"], parameters["epoch"]

    def by_crop(x, count=crops):
        return jnp.asarray(x).reshape((count, batch, *x.shape[1:]))

    def schedule(first, last):
        warmup = parameters["warmup_teacher_temp_epochs"]
        rise = np.linspace(parameters[first], parameters[last], warmup)
        flat = np.full(parameters["epochs"] - warmup, parameters[last])
        return np.concatenate([rise, flat])

    temperatures = schedule("warmup_teacher_temp", "teacher_temp")
    patch_temperatures = schedule("warmup_teacher_patch_temp", "teacher_patch_temp")
    teacher = by_crop(arrays["in/teacher_cls"])
    teacher_patches = by_crop(arrays["in/teacher_patch"])
    mask = jax.device_put(arrays["in/mask"]).reshape((crops, batch, -1))
    centre = jax.device_put(arrays["in/center"])[0]
    patch_centre = jax.device_put(arrays["in/center_patch"])[0, 0]

    def value(students, class_weight, patch_weight):
        tokens = by_crop(students["student_cls"])
        if local:
            small = by_crop(students["student_local_cls"], local)
            tokens = jnp.concatenate([tokens, small])
        return losses.ibot(
            tokens,
            teacher,
            by_crop(students["student_patch"]),
            teacher_patches,
            mask,
            centre,
            patch_centre,
            student_temperature=parameters["student_temp"],
            teacher_temperature=temperatures[epoch].item(),
            patch_temperature=patch_temperatures[epoch].item(),
            class_weight=class_weight,
            patch_weight=patch_weight,
        )

    weights = parameters["lambda1"], parameters["lambda2"]
    names = ["student_cls", "student_patch", *(["student_local_cls"] if local else [])]
    students = {name: jax.device_put(arrays[f"in/{name}"]) for name in names}

    def both(students):
        parts = value(students, weights[0], 0.0), value(students, 0.0, weights[1])
        return value(students, *weights), parts

    run = jax.jit(jax.value_and_grad(both, has_aux=True))
    (total, parts), grads = run(students)
    momentum = parameters["center_momentum"]
    after = memory.update_centre(centre, teacher, momentum=momentum)
    patch_after = memory.update_centre(patch_centre, teacher_patches, momentum=momentum)
    return {
        "out/cls": parts[0],
        "out/patch": parts[1],
        "out/loss": total,
        "out/teacher_temp_schedule": temperatures,
        "out/teacher_patch_temp_schedule": patch_temperatures,
        **{f"grad/{name}": g for name, g in grads.items()},
        "after/center": after[None],
        "after/center_patch": patch_after[None, None],
    }


def logit_laplace(arrays, parameters):
    pixels = losses.map_pixels(
        jax.device_put(arrays["in/x01"]), epsilon=parameters["eps"]
    )
    mean, log_scale = (
        jax.device_put(arrays["in/mu"]),
        jax.device_put(arrays["in/log_b"]),
    )
    value, grads = value_and_grads(
        lambda mu, log_b: jnp.mean(losses.logit_laplace(pixels, mu, log_b)),
        mu=mean,
        log_b=log_scale,
    )
    nll = losses.logit_laplace(pixels, mean, log_scale)
    return {"out/nll": nll, "out/loss": value, **grads}


def counting(arrays, parameters):
    def value(margin, d_x, d_y, tiles):
        return losses.counting(d_x, d_y, jnp.swapaxes(tiles, 0, 1), margin=margin)

    inputs = [jax.device_put(arrays[f"in/{name}"]) for name in ("D_x", "D_y", "T_x")]
    margin = parameters["M"]
    run = jax.value_and_grad(value, argnums=(1, 2, 3))
    loss, (grad_x, grad_y, grad_tiles) = run(margin, *inputs)
    pair = value(0.0, *inputs)
    return {
        "out/loss": loss,
        "out/pair": pair,
        "out/unpair": loss - pair,
        "grad/D_x": grad_x,
        "grad/D_y": grad_y,
        **{f"grad/T_x_{i}": grad for i, grad in enumerate(grad_tiles)},
    }


def jigsaw_clustering(arrays, parameters):
    temperature = parameters["temperature"]
    if "in/features" in arrays:
        labels = jax.device_put(arrays["in/labels"])

        def clustering(features):
            return losses.supclu(
                features,
                labels,
                temperature=temperature,
                base_temperature=parameters["base_temperature"],
            )

        value, grads = value_and_grads(clustering, features=arrays["in/features"])
        return {"out/loss": value, **grads}
    names = sorted(name for name in arrays if name.startswith("in/crops"))
    crops = jnp.concatenate([channels_last(arrays[name]) for name in names])
    permutation = jax.device_put(arrays["in/permute"])
    montage = _montage(crops[permutation])

    def value(sd, cluster_weight, location_weight):
        features = _parts(_conv(montage, sd))
        hidden = jax.nn.relu(_linear(features, sd, "encoder.fc_clu.0"))
        return losses.jigsaw_clustering(
            _linear(hidden, sd, "encoder.fc_clu.2"),
            _linear(features, sd, "encoder.fc_loc"),
            permutation,
            temperature=temperature,
            cluster_weight=cluster_weight,
            location_weight=location_weight,
        )

    def both(sd):
        parts = value(sd, 1.0, 0.0), value(sd, 0.0, 1.0)
        return value(sd, 1.0, 1.0), parts

    run = jax.jit(jax.value_and_grad(both, has_aux=True))
    (_, parts), grads = run(torch_names.state_dict(arrays))
    cluster, location = losses.jigsaw_clustering_labels(permutation, parts=len(names))
    return {
        "out/montage": jnp.moveaxis(montage, -1, 1),
        "out/label_cluster": cluster,
        "out/label_location": location,
        "out/loss_cluster": parts[0],
        "out/loss_location": parts[1],
        **{f"grad/{name}": g for name, g in grads.items()},
    }


def _montage(patches):
    a, b, c, d = jnp.split(patches, 4)
    rows = jnp.concatenate([a, b], axis=2), jnp.concatenate([c, d], axis=2)
    return jnp.concatenate(rows, axis=1)


def _conv(x, sd):
    """The toy encoder of the case: one convolution and a ReLU."""
    kernel = jnp.transpose(sd["encoder.conv.weight"], (2, 3, 1, 0))
    layout = ("NHWC", "HWIO", "NHWC")
    x = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=layout
    )
    return jax.nn.relu(x + sd["encoder.conv.bias"][None, None, None])


def _parts(x):
    """The mean of each quarter of the map, all top left quarters first."""
    b, h, w, c = x.shape
    quarters = jnp.mean(x.reshape((b, 2, h // 2, 2, w // 2, c)), axis=(2, 4))
    return jnp.moveaxis(quarters, 0, 2).reshape((4 * b, c))


def _linear(x, sd, name):
    return x @ sd[f"{name}.weight"].T + sd[f"{name}.bias"][None]


VISION = {
    "dvae/logit_laplace": logit_laplace,
    "eval/alignment_uniformity": alignment_uniformity,
    "mim/deepmim": adapters_mim.deepmim,
    "mim/hog_maskfeat": hog_maskfeat,
    "mim/ibot_loss": ibot_loss,
    "mim/localmim": adapters_mim.localmim,
    "pretext/counting": counting,
    "pretext/jigsaw_clustering": jigsaw_clustering,
}

_HARD = "a gradient may lie on the edge of two directions, to rounding"
JUMPS = {
    "mim/hog_maskfeat": {"hog": _HARD, "target": _HARD},
    "mim/localmim": {"hog_pool*": _HARD},
}
NOT_READ = {
    "mim/hog_maskfeat": {"image": "a side of the inputs"},
    "mim/ibot_loss": {
        "out_dim": "a side of the inputs",
        "patch_out_dim": "a side of the inputs",
        "grid": "patches are not told by their places",
    },
    "pretext/counting": {
        "batch": "a side of the inputs",
        "dim": "a side of the inputs",
    },
    "pretext/jigsaw_clustering": {
        "batch": "a side of the inputs",
        "tile": "a side of the inputs",
        "dim": "a side of the weights",
        "released_crop_order": "says what the crops show",
    },
    **adapters_mim.NOT_READ,
}

SKIPPED = {
    "pretext/counting": {
        "out/elementwise_*": "a port's hinge per coordinate, not the paper's",
    },
}
