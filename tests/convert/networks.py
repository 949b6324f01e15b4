"""Small networks of every family that has names in torch."""

import jax
import jax.numpy as jnp
import numpy as np

from sslax import calls
from sslax.core import Net

VIT = {"name": "vit", "width": 16, "depth": 2, "heads": 2, "patch_size": 4}
BEIT = {**VIT, "positions": "none", "qkv_bias": "qv", "layer_scale": 0.1}
SWIN = {
    "name": "swin",
    "width": 4,
    "depths": (1, 2),
    "heads": (1, 2),
    "window_size": 2,
    "patch_size": 2,
}
CONVMAE = {
    "name": "convmae_encoder",
    "widths": (4, 4, 8),
    "depths": (1, 1, 2),
    "heads": 2,
}
DECODER = {"name": "mae_decoder", "width": 8, "depth": 2, "heads": 2, "patch_size": 4}
DALLE = {"width": 8, "blocks": 1}
DVAE = {"width": 4, "depth": 2}
HEAD = {"name": "dino_head", "dim": 6, "hidden": 8, "bottleneck": 4}


def struct(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


IMAGES = (struct(1, 16, 16, 3),)
LATENTS = (struct(1, 3, 12), struct(1, 9, dtype=jnp.int32))
FEATURES = (struct(1, 5),)
TOKENS = (struct(1, 3, 5),)
WORDS = (struct(1, 2, 2, 6),)

# Name: (call, inputs, some names in torch with their shapes).
NETWORKS = {
    "resnet18": (
        {"name": "resnet18", "width": 0.0625},
        IMAGES,
        {"layer2.0.downsample.1.running_var": (8,), "conv1.weight": (4, 3, 7, 7)},
    ),
    "resnet50": (
        {"name": "resnet50", "width": 0.0625, "stem": "cifar"},
        IMAGES,
        {"layer3.5.conv3.weight": (64, 16, 1, 1), "bn1.num_batches_tracked": ()},
    ),
    "resnet50d": (
        {"name": "resnet50", "width": 0.0625, "stem": "deep", "shortcut": "pool"},
        IMAGES,
        {"conv1.6.weight": (4, 2, 3, 3), "layer1.0.downsample.2.weight": (16,)},
    ),
    "vit": (
        {**VIT, "layer_scale": 0.1},
        IMAGES,
        {"blocks.1.ls2.gamma": (16,), "pos_embed": (1, 17, 16), "norm.bias": (16,)},
    ),
    "vit_mean": (
        {**VIT, "pool": "mean", "class_token": False, "qkv_bias": False},
        IMAGES,
        {"fc_norm.weight": (16,), "blocks.0.attn.qkv.weight": (48, 16)},
    ),
    "vit_map": (
        {**VIT, "pool": "map", "class_token": False},
        IMAGES,
        {
            "attn_pool.latent": (1, 1, 16),
            "attn_pool.kv.weight": (32, 16),
            "attn_pool.norm.bias": (16,),
            "attn_pool.mlp.fc2.weight": (16, 64),
        },
    ),
    "vit_scan": (
        {**VIT, "scan": True},
        IMAGES,
        {"blocks.1.mlp.fc1.weight": (64, 16), "patch_embed.proj.weight": (16, 3, 4, 4)},
    ),
    "mae": (
        {**VIT, "positions": "sincos", "init": "xavier"},
        IMAGES,
        {"pos_embed": (1, 17, 16), "cls_token": (1, 1, 16)},
    ),
    "moco_v3": (
        {**VIT, "positions": "sincos_row", "init": "xavier_qkv"},
        IMAGES,
        {"pos_embed": (1, 17, 16), "blocks.0.attn.qkv.bias": (48,)},
    ),
    "ibot": ({**VIT, "mask_token": True}, IMAGES, {"masked_embed": (1, 16)}),
    "beit": (
        {**BEIT, "relative": "shared", "mask_token": True},
        IMAGES,
        {
            "rel_pos_bias.relative_position_bias_table": (52, 2),
            "blocks.0.gamma_1": (16,),
        },
    ),
    "beit_tuned": (
        {**BEIT, "relative": "block", "pool": "mean"},
        IMAGES,
        {"blocks.1.attn.relative_position_bias_table": (52, 2), "fc_norm.bias": (16,)},
    ),
    "swin": (
        {**SWIN, "masked": "token"},
        IMAGES,
        {
            "layers.0.downsample.reduction.weight": (8, 16),
            "layers.1.blocks.1.attn.relative_position_bias_table": (9, 2),
            "mask_token": (1, 1, 4),
        },
    ),
    "convmae": (
        CONVMAE,
        IMAGES,
        {
            "blocks1.0.attn.weight": (4, 1, 5, 5),
            "blocks2.0.mlp.fc1.weight": (16, 4, 1, 1),
            "stage1_output_decode.weight": (8, 4, 4, 4),
            "pos_embed": (1, 1, 8),
        },
    ),
    "clip_vit": (
        {"name": "clip_vit", "dim": 6, "width": 16, "depth": 2, "heads": 2}
        | {"patch_size": 4},
        IMAGES,
        {
            "conv1.weight": (16, 3, 4, 4),
            "class_embedding": (16,),
            "positional_embedding": (17, 16),
            "transformer.resblocks.1.attn.in_proj_weight": (48, 16),
            "proj": (16, 6),
        },
    ),
    "clip_resnet": (
        {"name": "clip_resnet", "dim": 6, "width": 4, "stages": (1, 1, 2, 1)},
        (struct(1, 64, 64, 3),),
        {
            "conv3.weight": (4, 2, 3, 3),
            "layer1.0.downsample.1.running_var": (16,),
            "layer3.1.conv2.weight": (16, 16, 3, 3),
            "attnpool.positional_embedding": (5, 128),
            "attnpool.k_proj.weight": (128, 128),
            "attnpool.c_proj.bias": (6,),
        },
    ),
    "clip_text": (
        {"name": "clip_text", "dim": 6, "words": 20, "context": 7, "width": 16}
        | {"depth": 2, "heads": 2},
        (struct(1, 7, dtype=jnp.int32),),
        {
            "token_embedding.weight": (20, 16),
            "positional_embedding": (7, 16),
            "transformer.resblocks.1.mlp.c_fc.weight": (64, 16),
            "ln_final.bias": (16,),
            "text_projection": (16, 6),
        },
    ),
    "siglip_text": (
        {"name": "siglip_text", "dim": 6, "words": 20, "context": 7, "width": 16}
        | {"depth": 2, "heads": 2},
        (struct(1, 7, dtype=jnp.int32),),
        {
            "positional_embedding": (7, 16),
            "transformer.resblocks.1.ln_2.weight": (16,),
            "text_projection.weight": (6, 16),
            "text_projection.bias": (6,),
        },
    ),
    "mae_decoder": (
        DECODER,
        LATENTS,
        {"decoder_pred.weight": (48, 8), "decoder_pos_embed": (1, 10, 8)},
    ),
    "simmim_decoder": (
        {"name": "simmim_decoder", "patch_size": 4},
        (struct(1, 2, 2, 5),),
        {"decoder.0.weight": (48, 5, 1, 1)},
    ),
    "dino_head": (
        HEAD,
        FEATURES,
        {"mlp.4.weight": (4, 8), "last_layer.weight_g": (6, 1)},
    ),
    "ibot_head": (
        {**HEAD, "patch_dim": 7, "with_gain": True, "norm": "batch"},
        TOKENS,
        {"last_layer2.weight_v": (7, 4), "mlp.1.running_mean": (8,)},
    ),
    "moco_v3_head": (
        {"name": "mlp", "hidden": 8, "dim": 4, "last_norm": "plain"},
        FEATURES,
        {"0.weight": (8, 5), "4.running_mean": (4,)},
    ),
    "linear": ({"name": "linear", "dim": 3}, FEATURES, {"weight": (3, 5)}),
    "dalle_encoder": (
        {"name": "dalle_encoder", **DALLE, "words": 6},
        IMAGES,
        {
            "blocks.group_2.block_1.id_path.w": (16, 8, 1, 1),
            "blocks.group_4.block_1.res_path.conv_4.b": (64,),
            "blocks.output.conv.w": (6, 64, 1, 1),
        },
    ),
    "dalle_decoder": (
        {"name": "dalle_decoder", **DALLE, "first": 4},
        WORDS,
        {
            "blocks.input.w": (4, 6, 1, 1),
            "blocks.group_1.block_1.res_path.conv_2.w": (16, 16, 3, 3),
        },
    ),
    "dvae_encoder": (
        {"name": "dvae_encoder", **DVAE, "words": 6},
        IMAGES,
        {"encoder.2.0.weight": (4, 4, 4, 4), "encoder.4.weight": (6, 4, 1, 1)},
    ),
    "dvae_decoder": (
        {"name": "dvae_decoder", **DVAE, "code_dim": 5},
        WORDS,
        {
            "codebook.weight": (6, 5),
            "decoder.0.0.weight": (5, 4, 4, 4),
            "decoder.3.net.4.bias": (4,),
        },
    ),
    "alexnet": (
        {"name": "alexnet", "norm": None, "widths": (2, 2, 2, 2, 2), "hidden": 3},
        (struct(1, 64, 64, 3),),
        {"classifier.1.weight": (3, 72), "features.10.weight": (2, 2, 3, 3)},
    ),
}


def random_arrays(rng, call, inputs):
    """Random parameters and statistics of a network; nothing is compiled."""
    shapes = jax.eval_shape(calls.build(call, Net).init, jax.random.key(0), *inputs)
    return jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes
    )
