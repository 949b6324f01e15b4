"""Adapters from stored cases to public sslax functions: LocalMIM and DeepMIM.

Both put a decoder of MAE's kind on several blocks of the encoder.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import augment, losses, models
from tests.goldens import torch_names, torch_names_mim


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


def _decoder_size(parameters):
    return {
        "width": parameters["decoder_embed_dim"],
        "depth": parameters["decoder_depth"],
        "heads": parameters["decoder_num_heads"],
        "mlp_ratio": parameters["mlp_ratio"],
    }


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
        jax.device_put(arrays["in/noise"]), ratio=parameters["mask_ratio"]
    )
    x, teacher = _images(arrays["in/x"]), jax.device_put(arrays["in/teacher"])[:, 1:]

    decoder = models.deep_mim_decoder(
        **_decoder_size(parameters),
        taps=len(taps),
        dim=parameters["target_dim"],
        output="tokens",
    )

    def loss(sd):
        features, _ = encoder.apply(
            torch_names.vit(sd, learned=False), {}, x, masks.keep
        )
        outputs, _ = decoder.apply(
            torch_names_mim.deep_mim_decoder(sd),
            {},
            [features[tap] for tap in taps],
            masks.restore,
        )
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
        **{f"out/pred{i}": y for i, y in enumerate(outputs, start=1)},
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
        jax.device_put(arrays["in/noise"]), ratio=parameters["mask_ratio"]
    )
    x = _images(arrays["in/x"])
    patch = parameters["patch_size"]
    grid = x.shape[1] // patch, x.shape[2] // patch
    mask = masks.mask.reshape((-1, *grid))
    pools = parameters["hog_pools"]
    targets = [losses.hog(x, bins=bins, cell=pool) for pool in pools]

    decoder = models.local_mim_decoder(
        **_decoder_size(parameters),
        scales=scales,
        dim=3 * bins,
        output=["maps", "latents"],
    )

    def loss(sd):
        unused = {"norm.weight": sd["norm.0.weight"], "norm.bias": sd["norm.0.bias"]}
        features, _ = encoder.apply(
            torch_names.vit(sd | unused, learned=False), {}, x, masks.keep
        )
        decoded, _ = decoder.apply(
            torch_names_mim.local_mim_decoder(sd),
            {},
            [features[tap] for tap in taps],
            masks.restore,
        )
        outputs = decoded["maps"]
        return losses.local_mim(outputs, targets, mask), (decoded["latents"], outputs)

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


def _pixel_targets(arrays, parameters):
    x = _images(arrays["in/x"])
    sizes = parameters["patch_sizes"]
    coarse = x.shape[1] // max(sizes), x.shape[2] // max(sizes)
    mask = jax.device_put(arrays["in/mask"]).reshape((-1, *coarse))
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


NOT_READ = {
    "mim/deepmim": {"img_size": "a side of the inputs"},
    "mim/localmim": {
        "img_size": "a side of the inputs",
        "sd/hog_enc*": "buffers of the histograms",
    },
}
