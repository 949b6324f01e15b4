"""Against open_clip itself: both towers give the same numbers, both ways.

Skipped where it is not installed: pip install torch torchvision timm open_clip_torch.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import calls, convert
from sslax.core import Net

open_clip = pytest.importorskip("open_clip")
torch = pytest.importorskip("torch")

TOWERS = {
    "image": {"name": "vit", "width": 32, "depth": 2, "heads": 2, "patch_size": 8}
    | {"pool": "map", "class_token": False, "activation": "gelu_tanh"},
    "text": {"name": "siglip_text", "dim": 32, "words": 50, "context": 8, "width": 32}
    | {"depth": 2, "heads": 4},
}


def small(seed):
    """Its ViT-B-16-SigLIP with small towers, random weights and the GELU of big_vision.

    Size B takes the exact GELU by its own default.
    """
    config = open_clip.get_model_config("ViT-B-16-SigLIP")
    text = config["text_cfg"] | {"width": 32, "heads": 4, "layers": 2}
    text |= {
        "context_length": 8,
        "vocab_size": 50,
        "act_kwargs": {"approximate": "tanh"},
    }
    net = open_clip.model.CustomTextCLIP(
        embed_dim=32,
        vision_cfg=config["vision_cfg"],
        text_cfg=text,
        init_logit_bias=config["init_logit_bias"],
    )
    net.visual.trunk = open_clip.timm_model.timm.create_model(
        config["vision_cfg"]["timm_model_name"],
        num_classes=0,
        img_size=16,
        patch_size=8,
        embed_dim=32,
        depth=2,
        num_heads=2,
        act_layer="gelu_tanh",
    )
    generator = torch.Generator().manual_seed(seed)
    for key, value in net.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        norm = key.endswith(("norm.weight", "norm1.weight", "norm2.weight"))
        norm |= "ln_" in key and key.endswith("weight")
        scale = value[0].numel() ** -0.5 if value.ndim > 1 else 0.2
        value.copy_(noise * scale + float(norm))
    return net.double().eval()


def outputs(net, images, text):
    with torch.no_grad():
        image = net.encode_image(torch.tensor(images).permute(0, 3, 1, 2))
        return image.numpy(), net.encode_text(torch.tensor(text)).numpy()


def test_both_towers_are_equal_both_ways(rng):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        other, images = small(0), rng.normal(size=(2, 16, 16, 3))
        text = rng.integers(0, 50, (3, 8))
        wanted = outputs(other, images, text)
        file = {k: v.numpy() for k, v in other.state_dict().items()}
        back = {k: file[k] for k in ("logit_scale", "logit_bias")}
        for tower, prefix, given, features in (
            ("image", "visual.trunk.", images, wanted[0]),
            ("text", "text.", text, wanted[1]),
        ):
            named = {"model": TOWERS[tower], "inputs": (jnp.asarray(given),)}
            params, stats, report = convert.from_torch(file, **named)
            assert not report.unexpected
            assert report.prefix == prefix
            net = calls.build(TOWERS[tower], Net)
            got, _ = jax.jit(net.apply)(params, stats, jnp.asarray(given))
            np.testing.assert_allclose(got, features, rtol=1e-10, atol=1e-10)
            tensors = convert.to_torch(params, stats, **named)
            back |= {f"{prefix}{key}": value for key, value in tensors.items()}
    finally:
        jax.config.update("jax_enable_x64", before)
    again = small(1)
    again.load_state_dict({k: torch.tensor(v) for k, v in back.items()}, strict=True)
    for got, features in zip(outputs(again, images, text), wanted, strict=True):
        np.testing.assert_array_equal(got, features)


@pytest.mark.parametrize(
    ("start", "quick"), [("clip", True), ("openclip", False)], ids=["quick", "exact"]
)
def test_names_of_clip_mean_its_gelu(rng, start, quick):
    torch.manual_seed(0)
    net = open_clip.model.CLIP(
        embed_dim=512,
        vision_cfg={"layers": 1, "width": 768, "patch_size": 16, "image_size": 16},
        text_cfg={"context_length": 77, "vocab_size": 49408, "width": 512}
        | {"heads": 8, "layers": 1},
        quick_gelu=quick,
    ).eval()
    images = rng.normal(size=(2, 16, 16, 3)).astype(np.float32)
    text = rng.integers(0, 49408, (3, 77))
    file = {k: v.numpy() for k, v in net.state_dict().items()}
    for name, given, wanted in zip(
        ("vit_base_patch16", "text_base"),
        (images, text),
        outputs(net, images, text),
        strict=True,
    ):
        call = {**convert._released.call_of(f"{start}_{name}")[0], "depth": 1}
        inputs = (jnp.asarray(given),)
        params, stats, _ = convert.from_torch(file, model=call, inputs=inputs)
        got, _ = jax.jit(calls.build(call, Net).apply)(params, stats, *inputs)
        # The other GELU is 2e-3 of the largest away.
        np.testing.assert_allclose(got, wanted, atol=2e-5 * np.abs(wanted).max())
