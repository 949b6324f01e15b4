"""BYOL. Grill et al., 2020, arXiv:2006.07733.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-50, batch 4096, 300 epochs; published linear probe 72.5 %,
74.3 % at 1000 epochs), `cifar10` (ResNet-18, batch 256, 1000 epochs; 92.6 % in
solo-learn, with a LARS of other units).

    sslax pretrain --config=configs/byol.py --workdir=/tmp/byol
"""

from configs import common, recipes

# Convolutions start as Haiku's, and batch norm keeps the variance that Haiku keeps.
HAIKU = dict(conv_init="lecun", bn_unbiased=False)


def get_config(variant: str = "imagenet"):
    """The recipe of the paper, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _method(config, encoder: dict, *, start: float, hidden=4096, dim=256):
    return dict(
        name="byol",
        encoder=encoder,
        hidden=hidden,
        dim=dim,
        momentum=dict(
            name="cosine", start=start, end=1.0, steps=config.get_oneway_ref("steps")
        ),
    )


def _imagenet():
    config = common.imagenet(epochs=300, batch_size=4096, probe="byol")
    config.views = recipes.byol(224)
    encoder = dict(name="resnet50", dtype=common.dtype(config), **HAIKU)
    config.method = _method(config, encoder, start=0.99)
    config.optimizer = dict(
        name="lars_byol",
        learning_rate=common.scaled(config, 0.3),
        weight_decay=1e-6,
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )
    return config


def _cifar10():
    config = common.cifar10(epochs=1000, batch_size=256)
    config.evaluate.tasks = (recipes.classify("byol"),)
    config.views = recipes.byol(32, blur=(0.0, 0.0))
    encoder = dict(name="resnet18", dtype=common.dtype(config), stem="cifar", **HAIKU)
    config.method = _method(config, encoder, start=0.99)
    # The base rate of the paper's own small set-up (Imagenette, ResNet-18).
    config.optimizer = dict(
        name="lars_byol",
        learning_rate=common.scaled(config, 2.0),
        weight_decay=1e-6,
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = _method(
        config, common.small_net(config), start=0.99, hidden=256, dim=128
    )
    config.optimizer = common.sample_optimizer(config)
    return config
