"""Without a key nothing is dropped, in training too: a teacher beside its student."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from tests.models.drawn import drawn

KEY = jax.random.key(0)
VIT = {"width": 8, "depth": 2, "heads": 2, "patch_size": 8}
SWIN = {"width": 8, "depths": (2, 1), "heads": (2, 2), "window_size": 2}
CONVMAE = {"widths": (4, 4, 8), "depths": (1, 1, 2), "heads": 2, "strides": (4, 2, 1)}
IMAGE, LARGE = (4, 16, 16, 3), (4, 64, 64, 3)

NETS = {
    "vit": (models.vit, VIT, "drop_path", IMAGE),
    "vit_scan": (models.vit, {**VIT, "scan": True, "remat": True}, "drop_path", IMAGE),
    "swin": (models.swin, SWIN, "drop_path", IMAGE),
    "convmae": (
        models.convmae_encoder,
        {**CONVMAE, "fusion": False, "output": "pooled"},
        "drop_path",
        IMAGE,
    ),
    "alexnet": (
        models.alexnet,
        {"widths": (4, 4, 4, 4, 4), "hidden": 8},
        "dropout",
        LARGE,
    ),
    "caffenet": (
        models.caffenet,
        {"widths": (4, 4, 4, 4, 4), "hidden": 8},
        "dropout",
        LARGE,
    ),
    "caffenet_head": (
        models.caffenet_head,
        {"dim": 4, "hidden": (8,)},
        "dropout",
        (4, 6),
    ),
    "exemplar_net": (
        models.exemplar_net,
        {"widths": (4, 4, 8), "hidden": 8},
        "dropout",
        (4, 32, 32, 3),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_no_key_no_drops(name):
    make, options, rate, shape = NETS[name]
    net, sure = make(**options, **{rate: 0.9}), make(**options, **{rate: 0.0})
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    params, stats = drawn(net, x)

    @jax.jit
    def outputs(params, stats, x):
        got, new = net.apply(params, stats, x, train=True)
        want, wanted = sure.apply(params, stats, x, train=True)
        dropped, _ = net.apply(params, stats, x, train=True, key=KEY)
        return got, want, dropped, new, wanted

    got, want, dropped, new, wanted = outputs(params, stats, x)
    chex.assert_trees_all_close((got, new), (want, wanted), rtol=1e-6, atol=1e-6)
    assert jnp.abs(dropped - want).max() > 1e-3, "with a key it drops"
