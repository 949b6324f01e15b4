"""CPC v2. Henaff et al., 2019, arXiv:1905.09272.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-161 with layer norm, 6 x 6 patches of 80 pixels, four directions,
batch 512, 200 epochs; published linear probe 71.5 %),
`cifar10` (patches and rate of lightning-bolts, whose steps and augmentation of whole
images differ: there is no recipe of the authors; fine-tuned 84.52 % there).

    sslax pretrain --config=configs/cpc_v2.py --workdir=/tmp/cpc_v2
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the paper, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _method(
    config, encoder: dict, *, first: int, hidden=256, blocks=5, **options
) -> dict:
    return dict(
        name="cpc_v2",
        encoder={**encoder, "dtype": common.dtype(config)},
        context=dict(
            name="cpc_context", hidden=hidden, blocks=blocks, dtype=common.dtype(config)
        ),
        dim=64,
        steps=3,
        first=first,
        scale=0.1,
        directions=4,
        **options,
    )


def _imagenet():
    """Training crops have 260 of the 300 pixels that an image's side is made."""
    config = common.imagenet(epochs=200, batch_size=512, probe="cpc_v2")
    part, cut = (260 / 300) ** 2, dict(size=80, stride=36)
    crop = recipes.crop(260, scale=(part, part), ratio=(1.0, 1.0))
    altered = dict(name="altered_patches")
    config.views = recipes.patches(crop, each=altered, **cut)
    centre = dict(name="center", size=260, resize_to=300)
    config.evaluate.views = recipes.patches(centre, **cut)
    encoder = dict(name="cpc_resnet", depth=161)
    config.method = _method(config, encoder, first=2, momentum=0.9999)
    config.optimizer = _adam(4e-4)
    return config


def _adam(learning_rate: float) -> dict:
    adam = dict(name="adam", learning_rate=learning_rate, b1=0.8, weight_decay=1e-5)
    return dict(name="clipped", optimizer=adam, norm=0.01, per="all")


def _cifar10():
    """Patches overlap by half, so that one row is left out."""
    config = common.cifar10(epochs=1000, batch_size=64)
    cut = dict(size=8, stride=4)
    moved = dict(name="shifted", padding=4, mode="reflect", flip=0.5)
    altered = dict(
        name="altered_patches", magnitude=0.0, elastic=0.0, histogram=0.0, jitter=0.8
    )
    config.views = recipes.patches(moved, each=altered, **cut)
    config.evaluate.views = recipes.patches(dict(name="center", size=32), **cut)
    config.evaluate.tasks = (recipes.classify("cpc_v2"),)
    encoder = dict(name="cpc_resnet", depth=101)
    config.method = _method(config, encoder, first=1, momentum=0.9999)
    config.optimizer = _adam(4e-5)
    return config


def _sample():
    """Six rows of grey patches; the average of few steps must be quick."""
    config = common.sample(epochs=10, batch_size=64)
    cut = dict(size=8, stride=4)
    config.views = recipes.patches(recipes.sample(), window=7, **cut)
    config.evaluate.views = recipes.patches(dict(name="center", size=28), **cut)
    encoder = dict(name="convnet", widths=(32, 64), strides=(2, 2), norm="none")
    config.method = _method(
        config, encoder, first=1, hidden=64, blocks=2, momentum=0.99
    )
    config.optimizer = common.sample_optimizer(config, learning_rate=1e-3)
    return config
