"""Barlow Twins. Zbontar et al., 2021, arXiv:2103.03230.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-50, batch 2048, 1000 epochs; published linear probe 73.2 %),
`cifar10` (ResNet-18, batch 256, 1000 epochs; 92.1 % in solo-learn).

    sslax pretrain --config=configs/barlow_twins.py --workdir=/tmp/barlow_twins
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the released code, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _imagenet():
    config = common.imagenet(
        epochs=1000, batch_size=2048, probe="barlow_twins", half=True
    )
    config.views = recipes.torch_byol(224, resize="bicubic")
    config.method = dict(
        name="barlow_twins",
        encoder=dict(name="resnet50", dtype=common.dtype(config)),
        hidden=8192,
        dim=8192,
        redundancy_weight=0.0051,
        scale=1 / 16,  # the released run had 16 devices, see the method
    )
    schedule = common.warmup_cosine(config, warmup_epochs=10, end=0.001)
    weights = dict(
        name="lars_byol",
        learning_rate=common.scaled(config, 0.2),
        weight_decay=1e-6,
        schedule=schedule,
    )
    biases = dict(
        name="lars_byol",
        learning_rate=common.scaled(config, 0.0048),
        schedule=schedule,
    )
    config.optimizer = dict(
        name="grouped", optimizer=weights, others=(("rank_one", biases),)
    )
    return config


def _cifar10():
    """The recipe of solo-learn, whose LARS has other units."""
    config = common.cifar10(epochs=1000, batch_size=256)
    config.evaluate.tasks = (recipes.classify("barlow_twins"),)
    config.views = recipes.torch_byol(32, resize="bicubic", blur=(0.0, 0.0))
    config.method = dict(
        name="barlow_twins",
        encoder=dict(
            name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
        ),
        hidden=2048,
        dim=2048,
        redundancy_weight=0.005,
        scale=0.1,
    )
    config.optimizer = common.solo_lars(config, 0.3, weight_decay=1e-4)
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="barlow_twins",
        encoder=common.small_net(config),
        hidden=512,
        dim=512,
        depth=2,
        scale=0.1,
    )
    config.optimizer = common.sample_optimizer(config)
    return config
