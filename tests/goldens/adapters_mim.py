"""Adapters from stored cases to public sslax functions: LocalMIM and DeepMIM.

Both put a decoder of MAE's kind on several blocks of the encoder. Their decoders have a
narrower MLP than MAE's; padded with zeros it is the same function.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import augment, losses, models
from tests.goldens import torch_names


def _images(array):
    return jnp.moveaxis(jnp.asarray(array), 1, -1)


def _encoder(parameters, taps):
    return models.vit(
        width=parameters["embed_dim"],
        depth=parameters["depth"],
        heads=parameters["num_heads"],
        mlp_ratio=parameters["mlp_ratio"],
        patch_size=parameters["patch_size"],
        positions="sincos",
        init="xavier",
        output=taps,
    )


def _norm(x, sd, name):
    scale, bias = (sd[f"{name}.{kind}"] for kind in ("weight", "bias"))
    empty = (None,) * (x.ndim - 1)
    return jax.nn.standardize(x, epsilon=1e-6) * scale[empty] + bias[empty]


def _decoded(sd, latents, restore, parameters):
    """The residual stream after the decoder's last block, class token first.

    The state dict has MAE's names of the decoder.
    """
    depth, width = parameters["decoder_depth"], parameters["decoder_embed_dim"]
    last = f"block{depth - 1}"
    net = models.mae_decoder(
        patch_size=1,
        channels=1,
        width=width,
        depth=depth,
        heads=parameters["decoder_num_heads"],
        output=last,
    )
    more = (4 - parameters["mlp_ratio"]) * width
    padded = dict(sd)
    for i in range(depth):
        mlp = f"decoder_blocks.{i}.mlp"
        for name, padding in (
            ("fc1.weight", ((0, more), (0, 0))),
            ("fc1.bias", ((0, more),)),
            ("fc2.weight", ((0, 0), (0, more))),
        ):
            padded[f"{mlp}.{name}"] = jnp.pad(sd[f"{mlp}.{name}"], padding)
    # The head is the adapter's: this one is not looked at.
    padded["decoder_pred.weight"] = jnp.zeros((1, width), latents.dtype)
    padded["decoder_pred.bias"] = jnp.zeros(1, latents.dtype)
    return net.apply(torch_names.mae_decoder(padded), {}, latents, restore)[0]


def _grads(names):
    return {f"grad/{name}": grad for name, grad in names.items()}


def deepmim(arrays, parameters):
    sd = torch_names.state_dict(arrays)
    taps = [
        "tokens" if block == parameters["depth"] else f"block{block - 1}"
        for block in parameters["supervised_after_blocks"]
    ]
    encoder = _encoder(parameters, taps)
    masks = augment.mask_from_noise(
        jnp.asarray(arrays["in/noise"]), ratio=parameters["mask_ratio"]
    )
    x, teacher = _images(arrays["in/x"]), jnp.asarray(arrays["in/teacher"])[:, 1:]

    def predict(sd, latents, number):
        names = {
            k.replace(f"{part}{number}", part): v
            for k, v in sd.items()
            for part in (
                "mask_token",
                "decoder_embed",
                "decoder_blocks",
                "decoder_norm",
            )
            if k.startswith(f"{part}{number}")
        }
        stream = _decoded(names, latents, masks.restore, parameters)
        head = f"decoder_pred{number}"
        normed = _norm(stream, sd, f"decoder_norm{number}")
        return normed @ sd[f"{head}.weight"].T + sd[f"{head}.bias"][None, None]

    def loss(sd):
        features, _ = encoder.apply(
            torch_names.vit(sd, learned=False), {}, x, masks.keep
        )
        outputs = [predict(sd, features[tap], i + 1) for i, tap in enumerate(taps)]
        total = losses.deep_mim([y[:, 1:] for y in outputs], teacher, masks.mask)
        return total, (features, outputs)

    (total, (features, outputs)), grads = jax.jit(
        jax.value_and_grad(loss, has_aux=True)
    )(sd)
    each = [losses.masked_cosine(y[:, 1:], teacher, masks.mask) for y in outputs]
    blocks = zip(parameters["supervised_after_blocks"], taps, strict=True)
    return {
        **{
            "feat/latent" if tap == "tokens" else f"feat/block{block}": features[tap]
            for block, tap in blocks
        },
        "out/losses": jnp.stack(each),
        "out/loss_total": total,
        "out/mask": masks.mask,
        "out/pred1_first32": outputs[0][..., :32],
        **_grads(grads),
    }


def localmim(arrays, parameters):
    if "hog_nbins" not in parameters:
        return _pixel_targets(arrays, parameters)
    sd = torch_names.state_dict(arrays)
    sd = {k: v for k, v in sd.items() if not k.startswith("hog_enc")}
    taps = [f"block{block}" for block in parameters["blocks_used"]]
    scales, bins = parameters["scales"], parameters["hog_nbins"]
    encoder = _encoder(parameters, taps)
    masks = augment.mask_from_noise(
        jnp.asarray(arrays["in/noise"]), ratio=parameters["mask_ratio"]
    )
    x = _images(arrays["in/x"])
    side = parameters["img_size"] // parameters["patch_size"]
    mask = masks.mask.reshape((-1, side, side))
    pools = parameters["hog_pools"]
    targets = [losses.hog(x, bins=bins, cell=pool) for pool in pools]

    def predict(sd, latents, i):
        start = f"decoder.{i}."
        own = {k.removeprefix(start): v for k, v in sd.items() if k.startswith(start)}
        names = {k if k == "mask_token" else f"decoder_{k}": v for k, v in own.items()}
        stream = _decoded(names, latents, masks.restore, parameters)
        maps = _norm(stream, own, "norm")[:, 1:]
        return _rescaled(maps.reshape((-1, side, side, maps.shape[-1])), own, scales[i])

    def loss(sd):
        unused = {"norm.weight": sd["norm.0.weight"], "norm.bias": sd["norm.0.bias"]}
        features, _ = encoder.apply(
            torch_names.vit(sd | unused, learned=False), {}, x, masks.keep
        )
        latents = [_norm(features[tap], sd, f"norm.{i}") for i, tap in enumerate(taps)]
        outputs = [predict(sd, latent, i) for i, latent in enumerate(latents)]
        return losses.local_mim(outputs, targets, mask), (latents, outputs)

    (total, (latents, outputs)), grads = jax.jit(
        jax.value_and_grad(loss, has_aux=True)
    )(sd)
    out = {
        "out/mask": masks.mask,
        "out/ids_restore": masks.restore,
        "out/loss": total,
        **_grads(grads),
    }
    for i, (prediction, target) in enumerate(zip(outputs, targets, strict=True)):
        scaled = _flat(losses.mask_on_grid(mask, grid=target.shape[1:3])[..., None])
        out |= {
            f"out/hog_pool{pools[i]}": _flat(target),
            f"feat/latent{i}": latents[i],
            f"out/pred{i}": _flat(prediction),
            f"out/mask_scale{i}": scaled[..., 0],
            f"out/loss_scale{i}": losses.masked_mse(
                _flat(prediction), _flat(target), scaled[..., 0]
            ),
        }
    return out


def _flat(maps):
    return maps.reshape((maps.shape[0], -1, maps.shape[-1]))


def _rescaled(x, sd, scale):
    """LocalMIM's head: the map to the scale's grid, then a linear layer."""
    if scale == 0.5:
        b, h, w, c = x.shape
        x = jnp.mean(x.reshape((b, h // 2, 2, w // 2, 2, c)), axis=(2, 4))
        return _linear(x, sd, "pred.1")
    if scale == 1:
        return _linear(x, sd, "pred.0")
    x = _doubled(x, sd, "pred.0")
    if scale == 2:
        return _linear(x, sd, "pred.1")
    x = jax.nn.gelu(_norm(x, sd, "pred.1"), approximate=False)
    return _linear(_doubled(x, sd, "pred.3"), sd, "pred.4")


def _linear(x, sd, name):
    weight = sd[f"{name}.weight"].reshape((-1, x.shape[-1]))
    return x @ weight.T + sd[f"{name}.bias"][None, None, None]


def _doubled(x, sd, name):
    """A transposed convolution with kernel and stride 2: every pixel becomes four."""
    b, h, w, _ = x.shape
    y = jnp.einsum("bhwc,cdij->bhiwjd", x, sd[f"{name}.weight"])
    y = y.reshape((b, 2 * h, 2 * w, -1))
    return y + sd[f"{name}.bias"][None, None, None]


def _pixel_targets(arrays, parameters):
    x = _images(arrays["in/x"])
    sizes = parameters["patch_sizes"]
    side = x.shape[1] // max(sizes)
    mask = jnp.asarray(arrays["in/mask"]).reshape((-1, side, side))
    out = {}
    for i, size in enumerate(sizes):
        patches = augment.patchify(x, patch_size=size)
        grid = (x.shape[1] // size, x.shape[2] // size)
        scaled = losses.mask_on_grid(mask, grid=grid)
        out |= {
            f"out/target_{size}": patches,
            f"out/norm_target_{size}": losses.normalize_patches(patches),
            f"out/mask_scale{i}": scaled.reshape((scaled.shape[0], -1)),
        }
    return out
