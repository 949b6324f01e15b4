"""Stub nets that paint hidden patches from the mean of the others, and their loss."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import augment
from sslax.core import Net

WIDTH = 3


def encoder(patch, channels, *, class_token):
    """A matrix over the patches that it is given; the class token is their mean."""

    def init(key, image, keep=None):
        del image, keep
        return {"w": jax.random.normal(key, (patch * patch * channels, WIDTH))}, {}

    def apply(params, stats, image, keep=None, *, train=False, key=None):
        del train, key
        tokens = augment.patchify(image, patch_size=patch) @ params["w"]
        if keep is not None:
            tokens = jnp.take_along_axis(tokens, keep[:, :, None], axis=1)
        if class_token:
            mean = tokens.mean(axis=1, keepdims=True)
            tokens = jnp.concatenate([mean, tokens], axis=1)
        return tokens, stats

    return Net(init, apply)


def decoder(patch, channels, *, class_token):
    """A matrix over tokens at their places; hidden ones get a token and the mean."""

    def init(key, latents, restore):
        del latents, restore
        w, token = jax.random.split(key)
        return {
            "w": jax.random.normal(w, (WIDTH, patch * patch * channels)),
            "token": jax.random.normal(token, (WIDTH,)),
        }, {}

    def apply(params, stats, latents, restore, *, train=False, key=None):
        del train, key
        if class_token:
            mean, latents = latents[:, :1], latents[:, 1:]
        else:
            mean = latents.mean(axis=1, keepdims=True)
        hidden = mean + params["token"].reshape(1, 1, -1)
        hidden = hidden.repeat(restore.shape[1] - latents.shape[1], axis=1)
        tokens = jnp.concatenate([latents, hidden], axis=1)
        tokens = jnp.take_along_axis(tokens, restore[:, :, None], axis=1)
        return tokens @ params["w"], stats

    return Net(init, apply)


def patches(image, patch):
    """In raster order, each (row, column, channel)."""
    starts = range(0, len(image), patch)
    cuts = [image[r : r + patch, c : c + patch] for r in starts for c in starts]
    return [cut.ravel() for cut in cuts]


def batch(rng, side, patch, channels, *, ratio):
    """Three images and what of them is hidden."""
    noise = jnp.asarray(rng.uniform(size=(3, (side // patch) ** 2)))
    drawn = augment.mask_from_noise(noise, ratio=ratio)._asdict()
    return {"views": (rng.normal(size=(3, side, side, channels)),), **drawn}


def loss_of(patch, *, normalize):
    """Of the hidden patches alone, each in its own mean and deviation or as it is."""

    def loss(params, extra, batch):
        del extra
        errors = []
        for image, keep in zip(batch["views"][0], batch["keep"], strict=True):
            own = patches(image, patch)
            mean = np.mean([own[i] @ params["encoder"]["w"] for i in keep], axis=0)
            for i in set(range(len(own))) - set(keep.tolist()):
                wanted = own[i]
                if normalize:
                    deviation = np.sqrt(wanted.var(ddof=1) + 1e-6)
                    wanted = (wanted - wanted.mean()) / deviation
                token = mean + params["decoder"]["token"]
                errors.append(np.mean((token @ params["decoder"]["w"] - wanted) ** 2))
        return np.mean(errors)

    return loss
