"""Against timm itself: the same weights give the same features, both ways.

Skipped where timm is not installed: pip install torch torchvision timm.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import calls, convert
from sslax.convert._released import call_of
from sslax.core import Net
from sslax.export.run import export_features

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")

# A name of timm, arguments of its network, those of ours.
CASES = {
    "resnet18": ("resnet18", {}, {}),
    "resnet50": ("resnet50", {}, {}),
    "resnet50d": ("resnet50d", {}, {}),
    "vit_class_token": ("vit_small_patch16_224", {"depth": 2}, {"depth": 2}),
    "vit_mean": (
        "vit_small_patch16_224",
        {"depth": 2, "global_pool": "avg", "fc_norm": True},
        {"depth": 2, "pool": "mean"},
    ),
    "vit_layer_scale": (
        "vit_tiny_patch16_224",
        {"depth": 1, "init_values": 0.1, "qkv_bias": False},
        {"depth": 1, "layer_scale": 0.1, "qkv_bias": False},
    ),
    "vit_map": (
        "vit_base_patch16_siglip_224",
        {"depth": 2, "act_layer": "gelu_tanh"},
        {"depth": 2},
    ),
    "beit": ("beit_base_patch16_224", {"depth": 2}, {"depth": 2}),
    "swin": ("swin_tiny_patch4_window7_224", {}, {}),
}
SIDE = {"resnet18": 64, "resnet50": 64, "resnet50d": 64}


@pytest.fixture(scope="module", autouse=True)
def float64():
    """Rounding apart, equal is equal."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def randomised(name, options, seed=0):
    """A network of timm with random weights: nothing that is zero or one by default."""
    generator = torch.Generator().manual_seed(seed)
    net = timm.create_model(name, num_classes=0, **options).double().eval()
    for key, value in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        if value.ndim > 1:
            value.copy_(noise / max(value[0].numel(), 1) ** 0.5)
        elif key.endswith(("norm.weight", "running_var", "weight", "gamma")):
            value.copy_(1.0 + 0.1 * noise.abs())
        else:
            value.copy_(0.1 * noise)
    return net


@pytest.mark.parametrize("case", CASES)
def test_features_are_equal_both_ways(tmp_path, case):
    name, theirs, ours = CASES[case]
    call = call_of(name)[0] | ours
    other = randomised(name, theirs)
    side = SIDE.get(case, 224)
    generator = np.random.default_rng(0)
    images = generator.normal(size=(2, side, side, 3))
    with torch.no_grad():
        wanted = other(torch.tensor(images).permute(0, 3, 1, 2)).numpy()

    state_dict = {k: v.numpy() for k, v in other.state_dict().items()}
    params, stats, report = convert.from_torch(state_dict, model=call)
    assert not report.unexpected
    net = calls.build(call, Net)
    features, _ = jax.jit(net.apply)(params, stats, jnp.asarray(images))
    np.testing.assert_allclose(features, wanted, rtol=1e-8, atol=1e-8)

    # Back through a file, into another network of timm's, with nothing left open.
    path = tmp_path / "weights.safetensors"
    tensors = convert.to_torch(params, stats, model=call)
    convert.write_tensors(path, tensors, metadata={"format": "pt"})
    again = randomised(name, theirs, seed=1)
    timm.models.load_checkpoint(again, str(path), strict=True)
    with torch.no_grad():
        back = again(torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_array_equal(back, wanted)


VIT = {"name": "vit_tiny", "width": 32, "depth": 2, "heads": 2, "patch_size": 8}
# Networks of ours that timm has, and the side of their images.
HUB = {
    "resnet18": ({"name": "resnet18"}, 64),
    "resnet50d": ({"name": "resnet50", "stem": "deep", "shortcut": "pool"}, 64),
    "vit": (VIT, 32),
    "vit_mean": ({**VIT, "pool": "mean", "class_token": False, "mlp_ratio": 2}, 32),
    "vit_map": (
        {**VIT, "pool": "map", "class_token": False, "activation": "gelu_tanh"},
        32,
    ),
    "vit_probe_and_token": ({**VIT, "pool": "map"}, 32),
    "vit_sincos": ({**VIT, "positions": "sincos", "layer_scale": 0.1}, 32),
    "vit_bare": ({**VIT, "positions": "none", "qkv_bias": False}, 32),
    "beit": (
        {"name": "vit_base", "width": 32, "depth": 2, "heads": 2, "patch_size": 8}
        | {"positions": "none", "relative": "block", "qkv_bias": "qv", "pool": "mean"}
        | {"layer_scale": 0.1},
        32,
    ),
    "beit_shared": (
        {"name": "vit_base", "width": 32, "depth": 2, "heads": 2, "patch_size": 8}
        | {"positions": "none", "relative": "shared", "qkv_bias": "qv"},
        32,
    ),
    "swin": (
        {"name": "swin_tiny", "width": 8, "depths": [1, 2], "heads": [1, 2]}
        | {"window_size": 4, "patch_size": 2},
        32,
    ),
}


@pytest.mark.parametrize("case", HUB)
def test_a_folder_of_sslax_is_read_by_timm(tmp_path, case):
    """Features and the crop before them, from the folder alone."""
    call, side = HUB[case]
    channels = 4 if case in ("resnet18", "vit") else 3
    net, rng = calls.build(call, Net), np.random.default_rng(0)
    image = jax.ShapeDtypeStruct((1, side, side, channels), "float32")
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)
    params, stats = jax.tree.map(
        lambda x: (0.1 * np.abs(rng.normal(size=x.shape)) + 0.1).astype(np.float32),
        shapes,
    )
    convert.save(tmp_path / "net", params, stats, model=call, inputs=[image])
    folder = tmp_path / "hub"
    export_features(str(tmp_path / "net"), str(folder), form="hf", normalize="half")
    other = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    told = timm.data.resolve_model_data_config(other)
    assert tuple(told["input_size"]) == (channels, side, side)
    assert list(told["mean"]) == list(told["std"]) == [0.5] * channels
    assert (told["crop_pct"], told["interpolation"]) == (1.0, "bicubic")
    images = rng.random((2, side, side, channels), dtype=np.float32)
    seen = (images - 0.5) / 0.5
    with torch.no_grad():
        got = other(torch.tensor(seen).permute(0, 3, 1, 2)).numpy()
    wanted = jax.jit(net.apply)(params, stats, jnp.asarray(seen))[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3)
