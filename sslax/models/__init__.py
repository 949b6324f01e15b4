"""Networks: Flax Linen modules behind `sslax.core.Net`.

Every factory takes plain keyword arguments and returns a net, two functions:
`init(key, *inputs) -> (params, stats)` and
`apply(params, stats, *inputs, train=False, key=None, order=None) -> (output, stats)`.
Images are `[b h w c]`, parameters float32.
"""

from __future__ import annotations

from sslax.models._alexnet import alexnet, local_response_norm
from sslax.models._caffenet import caffenet, caffenet_head
from sslax.models._clip import clip_text, clip_vit
from sslax.models._clip_decoder import clip_decoder
from sslax.models._clip_resnet import clip_resnet
from sslax.models._colorizer import colorizer
from sslax.models._convmae import convmae_encoder
from sslax.models._convnet import convnet, nin
from sslax.models._cpc import cpc_context, cpc_resnet
from sslax.models._curl import curl_encoder, curl_head
from sslax.models._dalle import dalle_decoder, dalle_encoder
from sslax.models._dvae import (
    dvae_decoder,
    dvae_encoder,
)
from sslax.models._exemplar_net import exemplar_net
from sslax.models._generator import (
    patch_discriminator,
    patch_heads,
    resnet_generator,
)
from sslax.models._heads import linear, mlp
from sslax.models._mae import mae_decoder, mae_encoder
from sslax.models._nets import from_linen
from sslax.models._pixel_cnn import pixel_cnn
from sslax.models._pixel_decoders import simmim_decoder
from sslax.models._positions import resize_positions, sincos_positions
from sslax.models._preact import preact_resnet
from sslax.models._prototype_heads import dino_head
from sslax.models._recurrent import gru_context
from sslax.models._relative import resize_relative_positions
from sslax.models._resnet import (
    resnet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnet200,
)
from sslax.models._siglip_text import siglip_text
from sslax.models._small_alexnet import small_alexnet
from sslax.models._swav_head import swav_head, unit_prototypes
from sslax.models._swin import swin, swin_base, swin_large, swin_small, swin_tiny
from sslax.models._tap_decoders import deep_mim_decoder, local_mim_decoder
from sslax.models._video import video_resnet
from sslax.models._vit import (
    vit,
    vit_base,
    vit_giant,
    vit_huge,
    vit_large,
    vit_small,
    vit_tiny,
)

__all__ = [  # noqa: RUF022 - in plain string order
    "alexnet",
    "caffenet",
    "caffenet_head",
    "clip_decoder",
    "clip_resnet",
    "clip_text",
    "clip_vit",
    "colorizer",
    "convmae_encoder",
    "convnet",
    "cpc_context",
    "cpc_resnet",
    "curl_encoder",
    "curl_head",
    "dalle_decoder",
    "dalle_encoder",
    "deep_mim_decoder",
    "dino_head",
    "dvae_decoder",
    "dvae_encoder",
    "exemplar_net",
    "from_linen",
    "gru_context",
    "linear",
    "local_mim_decoder",
    "local_response_norm",
    "mae_decoder",
    "mae_encoder",
    "mlp",
    "nin",
    "patch_discriminator",
    "patch_heads",
    "pixel_cnn",
    "preact_resnet",
    "resize_positions",
    "resize_relative_positions",
    "resnet",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet200",
    "resnet34",
    "resnet50",
    "resnet_generator",
    "siglip_text",
    "simmim_decoder",
    "sincos_positions",
    "small_alexnet",
    "swav_head",
    "swin",
    "swin_base",
    "swin_large",
    "swin_small",
    "swin_tiny",
    "unit_prototypes",
    "video_resnet",
    "vit",
    "vit_base",
    "vit_giant",
    "vit_huge",
    "vit_large",
    "vit_small",
    "vit_tiny",
]
