"""Options that nets share: half precision, remat, scan, training; by tracing only."""

import jax
import jax.numpy as jnp
import pytest

from sslax import models

KEY = jax.random.key(0)
IMAGE = jnp.zeros((2, 16, 16, 3))
KEEP, RESTORE = jnp.zeros((2, 1), int), jnp.zeros((2, 4), int)
TAPS = [jnp.zeros((2, 3, 8))] * 2
CODES = jnp.zeros((2, 2, 2, 8))
SMALL = {"width": 8, "depth": 2, "heads": 2}
CONVMAE = {"widths": (4, 4, 8), "depths": (1, 1, 2), "heads": 2, "strides": (4, 2, 1)}
SWIN = {"width": 8, "depths": (2, 1), "heads": (2, 2), "window_size": 2}
BLOCKS = {"remat": True, "scan": True}

NETS = {
    "swin": (models.swin, {**SWIN, "remat": True, "drop_path": 0.1}, (IMAGE,)),
    "convmae": (
        models.convmae_encoder,
        {**CONVMAE, **BLOCKS, "drop_path": 0.1, "output": "pooled"},
        (IMAGE, KEEP),
    ),
    "convmae_tuned": (
        models.convmae_encoder,
        {**CONVMAE, "fusion": False, "output": "pooled", "conv_impl": "lax"},
        (IMAGE,),
    ),
    "mae_decoder": (models.mae_decoder, {**SMALL, **BLOCKS}, (TAPS[0], RESTORE)),
    "local_mim": (
        models.local_mim_decoder,
        {**SMALL, "scales": (4, 0.5), "remat": True},
        (TAPS, RESTORE),
    ),
    "deep_mim": (
        models.deep_mim_decoder,
        {**SMALL, **BLOCKS, "taps": 2},
        (TAPS, RESTORE),
    ),
    "clip_resnet": (
        models.clip_resnet,
        {"dim": 4, "stages": (1, 1, 1, 1), "width": 4},
        (jnp.zeros((2, 64, 64, 3)),),
    ),
    "clip_text": (models.clip_text, {**SMALL, **BLOCKS}, (RESTORE,)),
    "clip_vit": (models.clip_vit, {**SMALL, **BLOCKS, "patch_size": 8}, (IMAGE,)),
    "siglip_text": (models.siglip_text, {**SMALL, **BLOCKS}, (RESTORE,)),
    "vit_map": (
        models.vit,
        {**SMALL, **BLOCKS, "patch_size": 8, "pool": "map", "class_token": False},
        (IMAGE,),
    ),
    "dalle_encoder": (
        models.dalle_encoder,
        {"width": 4, "blocks": 1, "words": 8},
        (IMAGE,),
    ),
    "dalle_decoder": (
        models.dalle_decoder,
        {"width": 4, "blocks": 1, "first": 4},
        (CODES,),
    ),
    "discrete_encoder": (models.dvae_encoder, {"width": 4}, (IMAGE,)),
    "discrete_decoder": (models.dvae_decoder, {"width": 4}, (CODES,)),
    "pixel_cnn": (models.pixel_cnn, {"layers": 2}, (CODES,)),
    "gru_context": (models.gru_context, {"width": 4}, (CODES,)),
    "preact_resnet": (models.preact_resnet, {"stages": (1, 1), "width": 4}, (IMAGE,)),
    "swav_head": (models.swav_head, {"hidden": 8, "dim": 4}, (jnp.zeros((2, 3)),)),
}


@pytest.mark.parametrize("name", NETS)
def test_half_precision_trains_and_comes_out_in_float32(name):
    make, options, inputs = NETS[name]
    net = make(**options, dtype="bfloat16")
    params, stats = jax.eval_shape(net.init, KEY, *inputs)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}

    def loss(params, stats):
        out, _ = net.apply(params, stats, *inputs, train=True, key=KEY)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(out)), out

    step = jax.make_jaxpr(jax.grad(loss, has_aux=True), return_shape=True)
    text, (grads, out) = step(params, stats)
    assert jax.tree.structure(grads) == jax.tree.structure(params)
    assert {leaf.dtype for leaf in jax.tree.leaves(out)} == {jnp.dtype("float32")}
    assert "bf16" in str(text)
