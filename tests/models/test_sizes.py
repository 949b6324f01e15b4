"""Parameters and FLOPs of named sizes, as published; nothing large is allocated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from sslax.plan import count_flops

IMAGE = jnp.zeros((1, 224, 224, 3))
BEIT = {"positions": "none", "relative": "block", "qkv_bias": "qv", "layer_scale": 0.1}


def count(net, *inputs):
    params, _ = jax.eval_shape(net.init, jax.random.key(0), *inputs)
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(params))


def classifier(width):
    """Parameters of the layer of 1000 classes that published counts include."""
    return 1000 * width + 1000


@pytest.mark.parametrize(
    ("make", "more", "published"),
    [
        # torchvision's documentation of swin_t, swin_s, swin_b.
        (models.swin_tiny, classifier(768), 28_288_354),
        (models.swin_small, classifier(768), 49_606_258),
        (models.swin_base, classifier(1024), 87_768_224),
        # The release of CLIP: the image side of ViT-B/32.
        (lambda: models.clip_vit(patch_size=32, scan=True), 0, 87_849_216),
    ],
)
def test_exact_counts(make, more, published):
    assert count(make(), IMAGE) + more == published


@pytest.mark.parametrize(
    ("make", "more", "millions"),
    [
        # timm's table of results, to a hundredth of a million.
        (models.swin_large, classifier(1536), 196.53),
        (lambda: models.vit_giant(patch_size=14, scan=True), classifier(1408), 1012.61),
        (lambda: models.vit_base(scan=True, **BEIT), classifier(768), 86.53),
    ],
)
def test_rounded_counts(make, more, millions):
    assert round((count(make(), IMAGE) + more) / 1e6, 2) == millions


def test_convmae_base_has_the_millions_of_its_release():
    assert int(count(models.convmae_encoder(scan=True), IMAGE) / 1e6) == 88


def test_dvae_has_the_millions_of_its_release():
    words = jnp.zeros((1, 28, 28, 8192))
    assert round(count(models.dalle_encoder(), IMAGE) / 1e6, 1) == 53.8
    assert round(count(models.dalle_decoder(), words) / 1e6, 1) == 43.8


def test_clip_text_completes_the_published_count():
    text = count(models.clip_text(scan=True), jnp.zeros((1, 77), jnp.int32))
    image, temperature = 87_849_216, 1
    assert text + image + temperature == 151_277_313  # of ViT-B/32


def test_siglips_towers_complete_the_published_count():
    """As open_clip 3.3.0 counts its ViT-B-16-SigLIP."""
    options = {"pool": "map", "class_token": False, "scan": True}
    image = count(models.vit_base(**options), IMAGE)
    text = count(models.siglip_text(scan=True), jnp.zeros((1, 64), jnp.int32))
    scale_and_bias = 2
    assert image + text + scale_and_bias == 203_155_970


@pytest.mark.parametrize(
    ("options", "side", "width", "published"),
    [
        ({}, 224, 512, 102_007_137),  # RN50
        ({"stages": (3, 4, 23, 3), "dim": 512}, 224, 512, 119_688_033),  # RN101
        (
            {"stages": (4, 6, 10, 6), "dim": 640, "width": 80},
            288,
            640,
            178_300_601,  # RN50x4
        ),
    ],
)
def test_clips_residual_networks_complete_the_published_count(
    options, side, width, published
):
    image = count(models.clip_resnet(**options), jnp.zeros((1, side, side, 3)))
    tower = models.clip_text(
        dim=options.get("dim", 1024), width=width, heads=width // 64, scan=True
    )
    assert count(tower, jnp.zeros((1, 77), jnp.int32)) + image + 1 == published


@pytest.mark.parametrize(
    ("make", "classes", "published"),
    [
        # torchvision's metadata of weights: billions of multiply-adds at 224 pixels.
        (lambda: models.vit_base(patch_size=16, scan=True), 768_000, 17.564),
        (lambda: models.vit_base(patch_size=32, scan=True), 768_000, 4.409),
        (lambda: models.vit_large(patch_size=16, scan=True), 1_024_000, 61.555),
        (lambda: models.vit_huge(patch_size=14, scan=True), 1_280_000, 167.295),
        (models.swin_tiny, 768_000, 4.491),
    ],
)
def test_multiply_adds(make, classes, published):
    net = make()
    params, stats = jax.eval_shape(net.init, jax.random.key(0), IMAGE)
    program = jax.make_jaxpr(lambda p, s, x: net.apply(p, s, x, train=False)[0])
    adds = count_flops(program(params, stats, IMAGE)).products / 2 + classes
    assert round(adds / 1e9, 3) == published
