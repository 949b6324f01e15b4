"""To torch's names and back: every array returns as it was."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import calls, convert
from sslax.convert._released import call_of
from sslax.core import Net
from tests.convert.networks import (
    BEIT,
    FEATURES,
    IMAGES,
    NETWORKS,
    VIT,
    random_arrays,
    struct,
)


@pytest.mark.parametrize("name", NETWORKS)
def test_round_trip_is_exact(rng, name):
    call, inputs, expected = NETWORKS[name]
    params, stats = random_arrays(rng, call, inputs)
    tensors = convert.to_torch(params, stats, model=call, source="torch", inputs=inputs)
    shapes = {key: np.shape(tensors[key]) for key in expected}
    assert shapes == expected
    # Among other networks, under the prefix of a wrapper, with an optimizer.
    wrapped = {f"module.{key}": value for key, value in tensors.items()}
    wrapped["optimizer.lr"] = np.zeros(())
    *back, report = convert.from_torch(
        wrapped, model=call, source="torch", inputs=inputs, prefix="module."
    )
    chex.assert_trees_all_equal(tuple(back), (params, stats))
    assert report[2:5] == ((), (), ())
    assert report.left_out[-1] == "optimizer.lr"


@pytest.mark.parametrize("name", ["swin", "ibot"])
def test_timm_has_other_names_and_no_mask_token(rng, name):
    call, inputs, _ = NETWORKS[name]
    params, stats = random_arrays(rng, call, inputs)
    tensors = convert.to_torch(params, stats, model=call, inputs=inputs)
    assert not {"mask_token", "masked_embed"} & tensors.keys()
    with pytest.raises(ValueError, match="missing: mask_token"):
        convert.from_torch(tensors, model=call, inputs=inputs)
    call = {k: v for k, v in call.items() if k not in ("mask_token", "masked")}
    back, _, _ = convert.from_torch(tensors, model=call, inputs=inputs)
    chex.assert_trees_all_equal({**back, "mask_token": params["mask_token"]}, params)
    if name == "swin":
        np.testing.assert_array_equal(
            tensors["layers.1.downsample.reduction.weight"],
            params["merge1"]["reduction"]["kernel"].T,
        )


def tensors_of(rng, call, inputs=IMAGES):
    params, stats = random_arrays(rng, call, inputs)
    tensors = convert.to_torch(params, stats, model=call, source="torch", inputs=inputs)
    return tensors, params


@pytest.mark.parametrize(
    ("prefixes", "chosen"),
    [
        (("student.module.backbone.", "teacher.backbone."), "teacher.backbone."),
        (("module.encoder_k.", "module.encoder_q."), "module.encoder_q."),
        (
            ("state_dict.module.momentum_encoder.", "state_dict.module.base_encoder."),
            "state_dict.module.base_encoder.",
        ),
        (("model.encoder.",), "model.encoder."),
        (("",), ""),
    ],
)
def test_the_prefix_is_found(rng, prefixes, chosen):
    both, all_params = {}, {}
    for prefix in prefixes:
        tensors, all_params[prefix] = tensors_of(rng, VIT)
        both |= {f"{prefix}{key}": value for key, value in tensors.items()}
        both[f"{prefix}head.0.weight"] = np.zeros((2, 16))
    params, _, report = convert.from_torch(both, model=VIT, inputs=IMAGES)
    chex.assert_trees_all_equal(params, all_params[chosen])
    assert report.prefix == chosen
    assert f"{chosen}head.0.weight" in report.left_out


def test_an_ambiguous_prefix_is_an_error(rng):
    tensors, _ = tensors_of(rng, VIT)
    both = {f"{p}.{key}": value for p in "ab" for key, value in tensors.items()}
    with pytest.raises(ValueError, match=r"choose one by prefix: 'a\.', 'b\.'"):
        convert.from_torch(both, model=VIT, inputs=IMAGES)
    _, _, report = convert.from_torch(both, model=VIT, inputs=IMAGES, prefix="b.")
    assert report.prefix == "b."


def test_every_tensor_that_does_not_fit_is_named(rng):
    tensors, _ = tensors_of(rng, VIT)
    tensors["blocks.0.attn.gate"] = np.zeros(3)
    tensors["norm.weight"] = np.zeros(17, np.float32)
    del tensors["blocks.1.mlp.fc2.bias"]
    with pytest.raises(ValueError, match="do not fit vit") as caught:
        convert.from_torch(tensors, model=VIT, inputs=IMAGES)
    for line in (
        "missing: blocks.1.mlp.fc2.bias",
        "unexpected: blocks.0.attn.gate",
        "misshaped: norm.weight is [17], not [16]",
    ):
        assert line in str(caught.value)
    params, _, report = convert.from_torch(
        tensors, model=VIT, inputs=IMAGES, strict=False
    )
    assert report.missing == ("blocks.1.mlp.fc2.bias",)
    assert "scale" not in params["norm"]
    assert "bias" in params["norm"]


def test_a_checkpoint_of_another_size_is_an_error(rng):
    tensors, _ = tensors_of(rng, VIT)
    with pytest.raises(ValueError, match=r"missing: blocks\.2\.attn\.qkv\.weight"):
        convert.from_torch(tensors, model={**VIT, "depth": 3}, inputs=IMAGES)
    with pytest.raises(ValueError, match=r"unexpected: blocks\.1\.attn\.qkv\.weight"):
        convert.from_torch(tensors, model={**VIT, "depth": 1}, inputs=IMAGES)
    with pytest.raises(
        ValueError, match=r"pos_embed is \[1, 17, 16\], not \[1, 65, 16"
    ):
        convert.from_torch(tensors, model=VIT, image_size=32)
    with pytest.raises(ValueError, match="no tensor of resnet18"):
        convert.from_torch(tensors, model="resnet18")


def test_fixed_positions_are_checked(rng):
    call = {**VIT, "positions": "sincos"}
    tensors, _ = tensors_of(rng, call)
    row = {**VIT, "positions": "sincos_row"}
    with pytest.raises(ValueError, match="pos_embed is not the fixed table"):
        convert.from_torch(tensors, model=row, inputs=IMAGES)
    with pytest.raises(ValueError, match=r"pos_embed is \[1, 17, 16\], not \[1, 5, 16"):
        convert.from_torch(tensors, model=call, image_size=8)


def test_blocks_start_from_the_table_that_pretraining_shared(rng):
    shared = {**BEIT, "relative": "shared"}
    tensors, pretrained = tensors_of(rng, shared)
    tuned = {**BEIT, "relative": "block"}
    params, _, _ = convert.from_torch(tensors, model=tuned, inputs=IMAGES)
    for i in range(2):
        np.testing.assert_array_equal(
            params[f"blocks_{i}"]["attn"]["relative"]["table"],
            pretrained["relative"]["table"],
        )


def test_half_precision_is_raised_and_double_kept():
    call = {"name": "linear", "dim": 3}
    for dtype, result in (
        (np.float16, np.float32),
        (jnp.bfloat16, np.float32),
        (np.float64, np.float64),
    ):
        tensors = {"weight": np.ones((3, 5), dtype), "bias": np.ones(3, dtype)}
        params, _, _ = convert.from_torch(tensors, model=call, inputs=FEATURES)
        assert params["linear1"]["kernel"].dtype == result


def test_axes_stand_where_they_should(rng):
    params, stats = random_arrays(rng, *NETWORKS["resnet18"][:2])
    tensors = convert.to_torch(params, stats, model=NETWORKS["resnet18"][0])
    kernel = params["layer2_0"]["conv1"]["kernel"]
    weight = tensors["layer2.0.conv1.weight"]
    assert weight[7, 3, 2, 0] == kernel[2, 0, 3, 7]
    params, stats = random_arrays(rng, *NETWORKS["alexnet"][:2])
    tensors = convert.to_torch(
        params, stats, model=NETWORKS["alexnet"][0], inputs=NETWORKS["alexnet"][1]
    )
    # Channel 1, row 2, column 3 of maps of 6x6 with two channels, to unit 1.
    row, column = 36 + 2 * 6 + 3, (2 * 6 + 3) * 2 + 1
    assert tensors["classifier.1.weight"][1, row] == params["fc6"]["kernel"][column, 1]


def test_gradients_pass_through_the_names(rng):
    tensors, _ = tensors_of(rng, {"name": "linear", "dim": 3}, FEATURES)

    def loss(tensors):
        params, _, _ = convert.from_torch(
            tensors, model={"name": "linear", "dim": 3}, inputs=FEATURES
        )
        return (params["linear1"]["kernel"] * jnp.arange(3.0).reshape(1, 3)).sum()

    grads = jax.grad(loss)({k: jnp.asarray(v) for k, v in tensors.items()})
    expected = np.repeat([[0.0], [1.0], [2.0]], 5, axis=1)
    np.testing.assert_array_equal(grads["weight"], expected)


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("resnet18", 11_176_512),
        ("resnet50.a1_in1k", 23_508_032),
        ("resnet50d", 23_527_264),
        ("vit_small_patch16_224.dino", 21_665_664),
        ("vit_base_patch32_384", 87_528_192),
        ("dino_vit_small_patch8", 21_670_272),
        ("mocov3_vit_small_patch16", 21_665_664),
        ("mae_vit_base_patch16", 85_798_656),
        ("beit_base_patch16_224", 85_761_984),
        ("swin_tiny_patch4_window7_224", 27_519_354),
        # open_clip 3.3.0: `visual` of ViT-B-16-SigLIP and ViT-L-16-SigLIP-256.
        ("vit_base_patch16_siglip_224", 92_884_224),
        ("vit_large_patch16_siglip_256.webli", 315_956_224),
    ],
)
def test_names_of_releases_mean_their_networks(name, counted):
    call, side = call_of(name)
    images = struct(1, side, side, 3)
    shapes = jax.eval_shape(calls.build(call, Net).init, jax.random.key(0), images)
    tensors = jax.eval_shape(lambda x: convert.to_torch(*x, model=name), shapes)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    trained = [x.size for key, x in tensors.items() if not key.endswith(buffers)]
    assert sum(trained) == counted


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="did you mean 'vit_small_patch16_224'"):
        convert.from_torch({}, model="vit_smal_patch16_224")
    with pytest.raises(ValueError, match="did you mean 'vit'"):
        convert.from_torch({}, model={"name": "vitt"})
    with pytest.raises(ValueError, match=r"source must be one of .*; got 'keras'"):
        convert.from_torch({}, model="resnet18", source="keras")
    with pytest.raises(ValueError, match="'convnet' in torch are not known here"):
        convert.from_torch({}, model="convnet")
    with pytest.raises(ValueError, match="not a network of images; give inputs"):
        convert.from_torch({}, model={"name": "mae_decoder"})
    with pytest.raises(ValueError, match="norm/scale: there is nothing, the net has"):
        convert.to_torch({}, {}, model={"name": "vit", "depth": 1})
