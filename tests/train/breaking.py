"""A method that breaks at a step that it is told, and the least of networks."""

import jax
from jax import numpy as jnp

from sslax.core import Aux, Method, Net, Objective
from sslax.nets import chain, features_of


def flat() -> Net:
    """One matrix of all pixels."""

    def init(key, image):
        width = image[0].size
        return {"kernel": jax.random.normal(key, (width, 4)) / width}, {}

    def apply(params, stats, image, *, train=False, key=None):
        return image.reshape(len(image), -1) @ params["kernel"], stats

    return Net(init, apply)


def breaking(encoder: Net, *, at: int) -> Method:
    """From step `at` on, counted from 1, roots are of numbers below 0."""
    net = chain(encoder=encoder)

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {"stats": stats}

    def loss(params, extra, batch, *, key, step):
        image = batch["views"][0]
        out, stats = net.apply(params, extra["stats"], image, train=True, key=key)
        sign = jnp.where(step + 1 >= at, -1.0, 1.0)
        with jax.named_scope("spread"):
            value = jnp.sqrt(sign * (1 + out["encoder"] ** 2)).mean()
        return value, Aux({"stats": stats})

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss)},
        outputs={"features": features_of(net, "encoder")},
    )
