"""Networks: Flax Linen modules behind `sslax.core.Net`.

Every factory takes plain keyword arguments and returns a net: `init(key, *inputs) ->
(params, stats)` and `apply(params, stats, *inputs, train=False, key=None) -> (output,
stats)`. Images are `[b h w c]`, parameters float32.
"""

from __future__ import annotations

from sslax.models._alexnet import alexnet, local_response_norm
from sslax.models._convnet import convnet, nin
from sslax.models._heads import linear, mlp
from sslax.models._mae import mae_decoder, mae_encoder
from sslax.models._nets import from_linen
from sslax.models._pixel_decoders import simmim_decoder
from sslax.models._positions import resize_positions, sincos_positions
from sslax.models._prototype_heads import dino_head
from sslax.models._resnet import (
    resnet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnet200,
)
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
    "convnet",
    "dino_head",
    "from_linen",
    "linear",
    "local_response_norm",
    "mae_decoder",
    "mae_encoder",
    "mlp",
    "nin",
    "resize_positions",
    "resnet",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet200",
    "resnet34",
    "resnet50",
    "simmim_decoder",
    "sincos_positions",
    "vit",
    "vit_base",
    "vit_giant",
    "vit_huge",
    "vit_large",
    "vit_small",
    "vit_tiny",
]
