"""SimCLR. Chen et al., 2020, arXiv:2002.05709.

Variants: `imagenet` (ResNet-50, batch 4096, LARS; published linear probe 64.5 % at 100
epochs, 69.1 % at 1000), `v2` (the head of three layers and the 800 epochs of SimCLR v2;
71.7 %), `sample` (minutes on a laptop),
`cifar10` (ResNet-18, batch 512, 1000 epochs; about 91 %).

    sslax pretrain --config=configs/simclr.py:cifar10 --workdir=/tmp/simclr
"""

from configs import common, recipes

# Convolutions start as Keras', and batch norm keeps the variance that Keras keeps.
KERAS = dict(conv_init="lecun", bn_unbiased=False)


def get_config(variant: str = "imagenet"):
    """The recipe of the official code, by variant."""
    choices = {
        "imagenet": _imagenet,
        "v2": _v2,
        "cifar10": _cifar10,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _imagenet():
    config = common.imagenet(epochs=100, batch_size=4096)
    config.normalize = None
    config.evaluate.views = recipes.center(224, fraction=0.875)
    config.views = recipes.simclr(224)
    config.method = dict(
        name="simclr",
        encoder=dict(name="resnet50", dtype=common.dtype(config), **KERAS),
        hidden=2048,
        dim=128,
        temperature=0.1,
        scale=2.0,  # the official code adds up the means of the two views
    )
    config.optimizer = dict(
        name="lars",
        learning_rate=common.scaled(config, 0.3),
        weight_decay=1e-6,
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )
    return config


def _v2():
    config = _imagenet()
    config.epochs = 800
    config.method.depth = 3
    config.optimizer = large_lars(config)
    return config


def large_lars(config) -> dict:
    """SimCLR v2's: rate by the root of the batch, warm-up of a twentieth."""
    return dict(
        name="lars",
        learning_rate=0.1 * 64,
        weight_decay=1e-4,
        schedule=common.warmup_cosine(config, warmup_epochs=int(config.epochs) // 20),
    )


def _cifar10():
    config = common.cifar10(epochs=1000, batch_size=512)
    config.normalize = None
    config.views = recipes.simclr(32, strength=0.5, blur=0.0)
    config.method = dict(
        name="simclr",
        encoder=dict(
            name="resnet18", dtype=common.dtype(config), stem="cifar", **KERAS
        ),
        hidden=512,
        dim=128,
        temperature=0.5,
        scale=2.0,
    )
    config.optimizer = dict(
        name="lars",
        learning_rate=common.scaled(config, 1.0),
        weight_decay=1e-4,
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="simclr",
        encoder=common.small_net(config),
        hidden=256,
        dim=128,
        temperature=0.2,
    )
    config.optimizer = common.sample_optimizer(config)
    return config
