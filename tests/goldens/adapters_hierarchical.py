"""Adapters from stored cases to public sslax functions: Swin, ConvMAE, dVAEs."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np

from sslax import augment, losses, models
from tests.goldens import torch_names, torch_names_mim

CONTRASTIVE: dict = {}


def _images(array):
    return jax.device_put(array.transpose(0, 2, 3, 1))


def _maps(array):
    return array.transpose(0, 3, 1, 2)


def simmim_swin(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    buffers = ("relative_position_index", "attn_mask")
    sd = {k: v for k, v in sd.items() if not k.endswith(buffers)}
    model = {
        "name": "swin",
        "width": parameters["embed_dim"],
        "depths": parameters["depths"],
        "heads": parameters["num_heads"],
        "window_size": parameters["window_size"],
        "mlp_ratio": parameters.get("mlp_ratio", 4),
        "qkv_bias": parameters.get("qkv_bias", True),
        "patch_size": parameters["patch_size"],
        "masked": "token",
        "output": "map",
    }
    decoder = {"name": "simmim_decoder", "patch_size": parameters["encoder_stride"]}
    x, mask = _images(arrays["in/x"]), jax.device_put(arrays["in/mask"])

    def loss(sd):
        inner = torch_names_mim.inner(sd, "encoder")
        encoded = torch_names.apply(model, inner, x, rest=(None, mask))
        image = torch_names.apply(decoder, sd, encoded)
        return losses.masked_l1(image, x, mask), (encoded, image)

    (value, (encoded, image)), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        sd
    )
    return {
        "out/encoded": _maps(encoded),
        "out/reconstruction": _maps(image),
        "out/loss": value,
        **{f"grad/{name}": g for name, g in grads.items()},
    }


def _scaled(x, formula):
    """The stored images as the network sees them."""
    if formula == "none":
        return x
    match = re.fullmatch(r"x = uint8/(\d+)(?: - (\d*\.?\d+))?", formula)
    if match is None:
        raise ValueError(
            f"parameter 'input_scaling' is {formula!r}, which is not known"
        )
    return x / float(match[1]) - float(match[2] or 0)


def convmae(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    depths = parameters["depth"]
    features = {
        **{
            f"feat/stage{i}_block{j}": f"stage{i}_block{j}"
            for i in (1, 2)
            for j in range(depths[i - 1])
        },
        **{f"feat/stage3_block{j}": f"block{j}" for j in range(depths[2])},
    }
    encoder = {
        "name": "convmae_encoder",
        "widths": parameters["embed_dim"],
        "depths": depths,
        "heads": parameters["num_heads"],
        "mlp_ratio": parameters["mlp_ratio"],
        "output": ["tokens", *features.values()],
    }
    decoder = {
        "name": "mae_decoder",
        "width": parameters["decoder_embed_dim"],
        "depth": parameters["decoder_depth"],
        "heads": parameters["decoder_num_heads"],
        "mlp_ratio": parameters["mlp_ratio"],
        "class_token": False,
    }
    masks = augment.mask_from_noise(
        jax.device_put(arrays["in/noise"]), ratio=parameters["mask_ratio"]
    )
    pixels = arrays["in/x"]
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(arrays["in/noise"].dtype)
    x = _images(_scaled(pixels, parameters["input_scaling"]))
    patches = augment.patchify(x, patch_size=16)
    targets = {"raw": patches, "norm_pix": losses.normalize_patches(patches)}

    def loss(sd, target):
        encoded = torch_names.apply(encoder, sd, x, rest=(masks.keep,))
        pixels = torch_names.apply(decoder, sd, encoded["tokens"], masks.restore)
        return losses.masked_mse(pixels, target, masks.mask), (encoded, pixels)

    outputs = {"out/mask": masks.mask, "out/ids_restore": masks.restore}
    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    for name, target in targets.items():
        (value, (encoded, pixels)), grads = run(sd, target)
        outputs[f"out/loss_{name}"] = value
        outputs |= {f"grad/{name}/{k}": g for k, g in grads.items()}
    for name, source in features.items():
        maps = encoded[source].ndim == 4
        outputs[name] = _maps(encoded[source]) if maps else encoded[source]
    return outputs | {"out/latent": encoded["tokens"], "out/pred": pixels}


def dvae(arrays, parameters):
    encoder = models.dalle_encoder(
        width=parameters["n_hid"],
        blocks=parameters["n_blk_per_group"],
        words=parameters["vocab_size"],
    )
    decoder = models.dalle_decoder(
        width=parameters["n_hid"],
        first=parameters["n_init"],
        blocks=parameters["n_blk_per_group"],
    )
    encode, decode = (
        torch_names_mim.dvae(torch_names.state_dict(arrays, f"sd_{part}"))
        for part in ("encoder", "decoder")
    )
    mapped = losses.map_pixels(_images(arrays["in/x"]))

    def run(mapped):
        logits, _ = encoder.apply(encode, {}, mapped)
        codes = logits.argmax(-1)
        words = [jax.nn.one_hot(codes, logits.shape[-1], dtype=logits.dtype)]
        words += [
            losses.gumbel_softmax(logits, jnp.zeros_like(logits), temperature=tau)
            for tau in (1.0, 0.5)
        ]
        stats, _ = decoder.apply(decode, {}, jnp.concatenate(words))
        stats = jnp.split(stats, 3)
        nll = [losses.logit_laplace(mapped, s[..., :3], s[..., 3:]) for s in stats]
        image = losses.unmap_pixels(jax.nn.sigmoid(stats[0][..., :3]))
        means = [jnp.mean(each) for each in nll]
        return logits, codes, stats[0], image, means, losses.uniform_kl(logits).mean()

    logits, codes, stats, image, nll, divergence = jax.jit(run)(mapped)
    return {
        "out/mapped": _maps(mapped),
        "out/logits": _maps(logits),
        "out/codes": codes,
        "out/stats_from_codes": _maps(stats),
        "out/reconstruction": _maps(image),
        "out/nll_mean_from_codes": nll[0],
        "out/nll_mean_soft_tau1.0": nll[1],
        "out/nll_mean_soft_tau0.5": nll[2],
        "out/kl_uniform_mean": divergence,
    }


def _smoothed_kl(logits, epsilon=1e-10):
    """The reference's sum.

    It adds epsilon to every probability, and takes the logarithm of the uniform one in
    float32.
    """
    words = logits.shape[-1]
    smoothed = jnp.log(jax.nn.softmax(logits) + epsilon)
    more = words * epsilon  # by how much they no longer sum to 1
    rounding = -np.log(words) - float(np.log(np.float32(1 / words)))
    divergence = losses.uniform_kl(smoothed) + np.log1p(more) + rounding
    return (1 + more) * divergence.sum()


def discrete_vae(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    size = {"width": parameters["hidden_dim"], "depth": parameters["num_layers"]}
    encoder = models.dvae_encoder(**size, words=parameters["num_tokens"])
    decoder = models.dvae_decoder(**size, code_dim=parameters["codebook_dim"])
    x, noise = _images(arrays["in/x"]), _images(arrays["in/gumbel"])

    def run(sd, x, noise):
        encode, decode = torch_names_mim.discrete_vae(sd)
        logits, _ = encoder.apply(encode, {}, x)
        words = losses.gumbel_softmax(
            logits,
            noise,
            temperature=parameters["temperature"],
            straight_through=parameters["straight_through"],
        )
        image, _ = decoder.apply(decode, {}, words)
        error = jnp.abs(image - x)
        if parameters["smooth_l1"]:
            error = jnp.where(error < 1, error**2 / 2, error - 0.5)
        else:
            error = error**2
        return logits, image, error.mean(), _smoothed_kl(logits)

    logits, image, error, divergence = jax.jit(run)(sd, x, noise)
    return {
        "out/logits": _maps(logits),
        "out/codes": logits.argmax(-1),
        "out/reconstruction": _maps(image),
        "out/recon_loss": error,
        "out/kl": divergence,
        "out/loss": error + parameters["kl_div_loss_weight"] * divergence,
    }


NOT_READ = {
    "dvae/gumbel": {"image_size": "a side of the inputs"},
    "dvae/openai": {"image": "a side of the inputs"},
    "mim/convmae": {"img_size": "a side of the inputs"},
    "mim/simmim_swin": {
        "img_size": "a side of the inputs",
        "mask_patch_size": "the mask is given",
        "mask_ratio": "the mask is given",
        "*relative_position_index": "follows from the window",
        "*attn_mask": "follows from the window",
    },
}
VISION = {
    "dvae/gumbel": discrete_vae,
    "dvae/openai": dvae,
    "mim/convmae": convmae,
    "mim/simmim_swin": simmim_swin,
}
