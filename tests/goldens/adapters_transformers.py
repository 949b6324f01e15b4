"""Adapters from stored cases to public sslax functions: DINO, iBOT, BEiT and others."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import calls, convert, losses, models
from sslax.core import Net
from tests.goldens import torch_names


def _images(array):
    return jax.device_put(array.transpose(0, 2, 3, 1))


def _size(parameters):
    return {
        "width": parameters["embed_dim"],
        "depth": parameters["depth"],
        "heads": parameters["num_heads"],
        "mlp_ratio": parameters.get("mlp_ratio", 4),
        "patch_size": parameters["patch_size"],
    }


def _head(parameters, **options):
    return {
        "name": "dino_head",
        "dim": parameters["out_dim"],
        "hidden": parameters["hidden_dim"],
        "bottleneck": parameters["bottleneck_dim"],
        "depth": parameters["nlayers"],
        "with_gain": True,
        **options,
    }


def dino(arrays, parameters):
    sd, depth = torch_names.state_dict(arrays), parameters["depth"]
    normed = [f"normed{i}" for i in range(depth)]
    last = f"attention{depth - 1}"
    model = {
        "name": "vit",
        **_size(parameters),
        "qkv_bias": parameters["qkv_bias"],
        "resize": "factor",
        "output": ["embedded", "pooled", last, *normed],
    }
    x = _images(arrays["in/x"])
    params, _ = torch_names.released(sd, model, x)
    net = calls.build(model, Net)
    apply = jax.jit(lambda x: net.apply(params, {}, x)[0])
    out = apply(x)
    other = apply(_images(arrays["in/x_other_size"]))
    patch = parameters["patch_size"]
    table = models.resize_positions(
        params["pos_embed"],
        height=parameters["other_size"][0] // patch,
        width=parameters["other_size"][1] // patch,
        convention="factor",
    )
    head = torch_names.state_dict(arrays, "sd_head")
    return {
        "feat/tokens0": out["embedded"],
        **{f"feat/intermediate{i}": out[f"normed{i}"] for i in range(depth)},
        "out/last_selfattention": out[last],
        "out/cls": out["pooled"],
        "feat/pos_other_size": table,
        "out/cls_other_size": other["pooled"],
        "out/head": torch_names.apply(_head(parameters["head"]), head, out["pooled"]),
    }


def ibot(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    model = {"name": "vit", **_size(parameters), "mask_token": True, "output": "tokens"}
    shared = parameters["head"]["shared_head"]
    head = _head(
        parameters["head"],
        patch_dim=0 if shared else parameters["head"]["patch_out_dim"],
    )
    x, mask = _images(arrays["in/x"]), jax.device_put(arrays["in/mask"])
    tokens = jax.jit(
        lambda x, mask: torch_names.apply(model, sd, x, rest=(None, mask))
    )(x, mask)
    cls, patches = torch_names.apply(
        head, torch_names.state_dict(arrays, "sd_head"), tokens
    )
    return {"out/tokens": tokens, "out/head_cls": cls, "out/head_patch": patches}


def _beit(parameters, **options):
    shared = parameters.get("use_shared_rel_pos_bias", False)
    per_block = parameters.get("use_rel_pos_bias", True)
    return {
        "name": "vit",
        **_size(parameters),
        "positions": "learned" if parameters.get("use_abs_pos_emb") else "none",
        "relative": "shared" if shared else "block" if per_block else None,
        "qkv_bias": "qv" if parameters.get("qkv_bias", True) else False,
        **options,
    }


def beit(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    sd = {k: v for k, v in sd.items() if not k.endswith("relative_position_index")}
    blocks = [f"block{i}" for i in range(parameters["depth"])]
    model = _beit(
        parameters,
        layer_scale=parameters["layer_scale_init"],
        mask_token=True,
        output=["tokens", *blocks],
    )
    x, mask = _images(arrays["in/x"]), np.asarray(arrays["in/mask"]) > 0
    rows = np.nonzero(mask.reshape(-1))[0]
    labels = jax.device_put(arrays["in/labels"])

    def loss(sd):
        out = torch_names.apply(model, sd, x, rest=(None, jnp.asarray(mask)))
        patches = out["tokens"][:, 1:].reshape(-1, parameters["embed_dim"])[rows]
        logits = torch_names.classify(sd, patches, "lm_head")
        chosen = jax.nn.log_softmax(logits)[jnp.arange(len(rows)), labels]
        return -chosen.mean(), (out, logits)

    (value, (out, logits)), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(sd)
    return {
        **{f"feat/{name}": out[name] for name in blocks},
        "out/features": out["tokens"],
        "out/masked_logits": logits,
        "out/loss": value,
        "out/mim_acc": (logits.argmax(-1) == labels).mean(),
        **{f"grad/{name}": g for name, g in grads.items()},
    }


def beit_finetune(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    pool = "mean" if parameters["mean_pooling"] else "cls"
    model = _beit(parameters, layer_scale=parameters["layer_scale_init"], pool=pool)
    pooled = jax.jit(lambda x: torch_names.apply(model, sd, x))(_images(arrays["in/x"]))
    return {
        "feat/pooled": pooled,
        "out/logits": torch_names.classify(sd, pooled, "head"),
    }


def simmim(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    sd = {k: v for k, v in sd.items() if not k.endswith("relative_position_index")}
    model = _beit(
        parameters,
        layer_scale=parameters["init_values"],
        # Of a network that will pool by a mean, the tokens have no norm.
        pool="mean" if parameters["use_mean_pooling"] else "cls",
        mask_token=True,
        output="tokens",
    )
    decoder = {"name": "simmim_decoder", "patch_size": parameters["encoder_stride"]}
    x, mask = _images(arrays["in/x"]), jax.device_put(arrays["in/mask"])
    patch = parameters["patch_size"]
    grid = x.shape[1] // patch, x.shape[2] // patch

    def loss(sd):
        inner = {k.removeprefix("encoder."): v for k, v in sd.items()}
        tokens = torch_names.apply(model, inner, x, rest=(None, mask))
        encoded = tokens[:, 1:].reshape(x.shape[0], *grid, -1)
        image = torch_names.apply(decoder, sd, encoded)
        return losses.masked_l1(image, x, mask), (encoded, image)

    (value, (encoded, image)), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        sd
    )
    return {
        "out/encoded": encoded.transpose(0, 3, 1, 2),
        "out/reconstruction": image.transpose(0, 3, 1, 2),
        "out/loss": value,
        **{f"grad/{name}": g for name, g in grads.items()},
    }


def siglip(arrays, parameters):
    """Both towers, each of which finds itself in one state dict."""
    activation = parameters["act_layer"]
    if activation != "gelu_tanh":
        raise ValueError(f"the text tower has gelu_tanh, the case {activation!r}")
    towers = {
        "image": {"name": "vit", **_size(parameters), "activation": activation}
        | {"class_token": False, "pool": "map"},
        "text": {
            "name": "siglip_text",
            "dim": parameters["output_dim"],
            "words": parameters["vocab_size"],
            "context": parameters["context_length"],
            "width": parameters["embed_dim"],
            "depth": parameters["text_depth"],
            "heads": parameters["text_num_heads"],
        },
    }
    text = jax.device_put(arrays["in/text"])

    def run(name, sd, given):
        call = {**towers[name], "output": ["tokens", "pooled"]}
        params, _, _ = convert.from_torch(sd, model=towers[name], inputs=(given,))
        return calls.build(call, Net).apply(params, {}, given)[0]

    def loss(sd, x):
        out = {"image": run("image", sd, _images(x)), "text": run("text", sd, text)}
        sums = (out[k]["pooled"] * arrays[f"in/cotangent_{k}"] for k in out)
        return sum(jnp.sum(x) for x in sums), out

    differentiated = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
    (grads, grad_x), out = differentiated(
        torch_names.state_dict(arrays), jax.device_put(arrays["in/x"])
    )
    return {
        "out/tokens": out["image"]["tokens"],
        "out/image": out["image"]["pooled"],
        "out/text_tokens": out["text"]["tokens"],
        "out/text": out["text"]["pooled"],
        "grad/x": grad_x,
        **{f"grad/{name}": g for name, g in grads.items()},
    }


_GIVEN = {
    "img_size": "a side of the inputs",
    "num_classes": "a side of the weights",
}
NOT_READ = {
    "backbone/dino_vit": _GIVEN,
    "backbone/siglip": {"img_size": "a side of the inputs"},
    "mim/beit": _GIVEN | {"vocab_size": "a side of the weights"},
    "mim/beit_finetune": _GIVEN,
    "mim/ibot_vit": _GIVEN | {"head.patch_out_dim": "a shared head has one width"},
    "mim/simmim_vit": _GIVEN
    | {
        "mask_patch_size": "the mask is given",
        "mask_ratio": "the mask is given",
    },
}
VISION = {
    "backbone/dino_vit": dino,
    "backbone/siglip": siglip,
    "mim/beit": beit,
    "mim/beit_finetune": beit_finetune,
    "mim/ibot_vit": ibot,
    "mim/simmim_vit": simmim,
}
