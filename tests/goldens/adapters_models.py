"""Adapters from stored cases to public sslax functions: models."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from sslax import augment, calls, convert, losses, models
from sslax.core import Net
from tests.goldens import adapters_transformers, torch_names
from tests.goldens.reading import choice, pair

CONTRASTIVE: dict = {}


def images(array):
    """NCHW as NHWC."""
    return jax.device_put(array.transpose(0, 2, 3, 1))


def maps(array):
    """NHWC as NCHW."""
    return array.transpose(0, 3, 1, 2)


STAGES = [f"layer{i}" for i in range(1, 5)]


@functools.cache
def _compiled_resnet(**model):
    """The network in evaluation, and the gradients of its training mode.

    One of them serves all runs of a case in one precision.
    """
    net = calls.build({**model, "output": [*STAGES, "pooled"]}, Net)

    def run(floats, x, train):
        params, stats = torch_names.released(floats, model, images(x))
        out, stats = net.apply(params, stats, images(x), train=train)
        stats = convert.to_torch(params, stats, model=model, source="torch")
        return out, torch_names.classify(floats, out["pooled"], "fc"), stats

    def loss(floats, x, cotangent):
        out, logits, stats = run(floats, x, True)
        return jnp.sum(logits * cotangent), (out, logits, stats)

    gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    return jax.jit(run, static_argnums=2), jax.jit(gradients)


def resnet(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    evaluated, differentiated = _compiled_resnet(
        name="resnet",
        depth=parameters["depth"],
        width=parameters["base_width"] / 64,
        stem="cifar" if parameters["cifar_stem"] else "imagenet",
    )
    x, cotangent = (
        jax.device_put(arrays["in/x"]),
        jax.device_put(arrays["in/cotangent"]),
    )
    floats = {k: v for k, v in sd.items() if not k.endswith("num_batches_tracked")}
    out, logits, _ = evaluated(floats, x, False)
    (_, trained), (grads, grad_x) = differentiated(floats, x, cotangent)
    running = ("running_mean", "running_var")
    after = {k: v for k, v in trained[2].items() if k.endswith(running)}
    return {
        **{f"feat/{name}": maps(out[name]) for name in STAGES},
        "out/pooled": out["pooled"],
        "out/logits": logits,
        "out/train_mode_logits": trained[1],
        "out/train_mode_pooled": trained[0]["pooled"],
        "grad/x": grad_x,
        **{f"grad/{name}": g for name, g in grads.items()},
        **{f"after/{name}": value for name, value in after.items()},
    }


def vit(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    depth = parameters["depth"]
    choice(parameters, "reg_tokens", {0: 0})
    pool = choice(parameters, "global_pool", {"avg": "mean", "token": "cls"})
    # The norm stands after the pooling with a mean, before it with a token.
    choice(parameters, "fc_norm", {None: None, pool == "mean": pool})
    names = ["patch_embed", "tokens", "pooled", *(f"block{i}" for i in range(depth))]
    model = {
        "name": "vit",
        "width": parameters["embed_dim"],
        "depth": depth,
        "heads": parameters["num_heads"],
        "mlp_ratio": parameters["mlp_ratio"],
        "patch_size": parameters["patch_size"],
        "class_token": parameters["class_token"],
        "pool": pool,
        "qkv_bias": parameters["qkv_bias"],
        "layer_scale": parameters["layer_scale_init"],
    }
    net = calls.build({**model, "output": names}, Net)

    def loss(x):
        params, _ = torch_names.released(sd, model, images(x))
        out, _ = net.apply(params, {}, images(x))
        logits = torch_names.classify(sd, out["pooled"], "head")
        return jnp.sum(logits * arrays["in/cotangent"]), (out, logits)

    (_, (out, logits)), grad_x = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        jax.device_put(arrays["in/x"])
    )
    return {
        "feat/patch_embed": out["patch_embed"],
        **{f"feat/block{i}": out[f"block{i}"] for i in range(depth)},
        "out/tokens": out["tokens"],
        "out/logits": logits,
        "grad/x": grad_x,
    }


def positions(arrays, parameters):
    height, width = pair(parameters["grid"])
    new_height, new_width = pair(parameters["new_grid"])
    table = {"height": height, "width": width, "dim": parameters["dim"]}
    return {
        "out/mae": models.sincos_positions(**table, first="column"),
        "out/mocov3": models.sincos_positions(**table, first="row"),
        "out/interpolated": models.resize_positions(
            jax.device_put(arrays["in/pos_embed"]), height=new_height, width=new_width
        ),
    }


def mae(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    patch, depth = parameters["patch_size"], parameters["depth"]
    decoder_depth = parameters["decoder_depth"]
    encoder = {
        "name": "mae_encoder",
        "width": parameters["embed_dim"],
        "depth": depth,
        "heads": parameters["num_heads"],
        "mlp_ratio": parameters["mlp_ratio"],
        "patch_size": patch,
        "output": ["tokens", *(f"block{i}" for i in range(depth))],
    }
    decoder = {
        "name": "mae_decoder",
        "width": parameters["decoder_embed_dim"],
        "depth": decoder_depth,
        "heads": parameters["decoder_num_heads"],
        "mlp_ratio": parameters["mlp_ratio"],
        "patch_size": patch,
        "output": ["pixels", *(f"block{i}" for i in range(decoder_depth))],
    }
    encode, decode = (calls.build(call, Net).apply for call in (encoder, decoder))
    masks = augment.mask_from_noise(
        jax.device_put(arrays["in/noise"]), ratio=parameters["mask_ratio"]
    )
    x = images(arrays["in/x"])
    patches = augment.patchify(x, patch_size=patch)

    def forward(sd):
        params, _ = torch_names.released(sd, encoder, x)
        encoded, _ = encode(params, {}, x, masks.keep)
        inputs = encoded["tokens"], masks.restore
        params, _ = torch_names.released(sd, decoder, *inputs)
        decoded, _ = decode(params, {}, *inputs)
        return encoded, decoded

    encoded, decoded = jax.jit(forward)(sd)
    outputs = {
        "out/latent": encoded["tokens"],
        "out/mask": masks.mask,
        "out/ids_restore": masks.restore,
        "out/pred": decoded["pixels"],
        "out/patchify": patches,
        **{f"feat/enc_block{i}": encoded[f"block{i}"] for i in range(depth)},
        **{f"feat/dec_block{i}": decoded[f"block{i}"] for i in range(decoder_depth)},
    }

    def loss(sd, shift, target):
        pixels = forward(sd)[1]["pixels"] + shift
        return losses.masked_mse(pixels, target, masks.mask)

    run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    shift = jnp.zeros_like(decoded["pixels"])
    targets = {"raw": patches, "norm_pix": losses.normalize_patches(patches)}
    for name, target in targets.items():
        value, (grads, grad_pixels) = run(sd, shift, target)
        outputs[f"out/loss_{name}"] = value
        outputs[f"grad/{name}/PRED"] = grad_pixels
        outputs |= {f"grad/{name}/{k}": g for k, g in grads.items()}
    return outputs


def alexnet(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    kernels = [v for k, v in sd.items() if k.startswith("features.") and v.ndim == 4]
    model = {
        "name": "alexnet",
        "widths": [kernel.shape[0] for kernel in kernels],
        "hidden": sd["classifier.1.weight"].shape[0],
        "norm": None,
        "output": ["map", "pooled"],
    }
    x = images(arrays["in/x"])
    params, _ = torch_names.released(sd, model, x)
    apply = calls.build(model, Net).apply
    out, _ = jax.jit(lambda x: apply(params, {}, x))(x)
    return {
        "feat/features": maps(out["map"]),
        "out/logits": torch_names.classify(sd, out["pooled"], "classifier.6"),
    }


def response_norm(arrays, parameters):
    x = images(arrays["in/x"])
    size, beta = parameters["size"], parameters["beta"]
    return {
        f"out/lrn_alpha_{name}": maps(
            models.local_response_norm(x, size=size, alpha=alpha, beta=beta)
        )
        for name, alpha in (
            ("small", parameters["alpha"]),
            ("large", parameters["alpha_large"]),
        )
    }


_SIDES = {
    "batch": "a side of the inputs",
    "image": "a side of the inputs",
    "num_classes": "a side of the weights",
}
NOT_READ = {
    **adapters_transformers.NOT_READ,
    "backbone/alexnet": _SIDES,
    "backbone/resnet18": _SIDES | {"sd/*num_batches_tracked": "a count of steps"},
    "backbone/resnet50": _SIDES | {"sd/*num_batches_tracked": "a count of steps"},
    "backbone/vit": {
        "img_size": "a side of the inputs",
        "num_classes": "a side of the weights",
    },
    "mim/mae": {"img_size": "a side of the inputs"},
}
VISION = {
    **adapters_transformers.VISION,
    "backbone/alexnet": alexnet,
    "backbone/lrn": response_norm,
    "backbone/pos_embed": positions,
    "backbone/resnet18": resnet,
    "backbone/resnet50": resnet,
    "backbone/vit": vit,
    "mim/mae": mae,
}
