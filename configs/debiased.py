"""Debiased contrastive learning. Chuang et al., 2020, arXiv:2007.00224.

Variants: `cifar10` (ResNet-50, batch 256, 400 epochs), `stl10` (the same on the
unlabelled images of STL-10; published linear probe 84.3 %, 80.2 % with `tau_plus=0`),
`sample` (minutes on a laptop).

    sslax pretrain --config=configs/debiased.py:cifar10 --workdir=/tmp/debiased
"""

from configs import common, recipes


def get_config(variant: str = "cifar10"):
    """The recipe of the official code, by variant."""
    choices = {"cifar10": _cifar10, "stl10": _stl10, "sample": _sample}
    return common.pick(variant, choices)()


def small(config, method: dict):
    """The one recipe of the code, for any set: views of 32 pixels, Adam, no schedule.

    That of hard negatives is the same.
    """
    config.normalize = "cifar10"  # of STL-10 too
    config.evaluate.views = recipes.center(32, resize_to=32)
    config.evaluate.online = (dict(name="knn", k=200, temperature=0.5),)
    config.views = recipes.moco(32, scale=(0.08, 1.0))
    encoder = dict(
        name="resnet50", dtype=common.dtype(config), stem="cifar", zero_init=False
    )
    config.method = dict(
        encoder=encoder, hidden=512, dim=128, temperature=0.5, **method
    )
    config.optimizer = dict(name="adam", learning_rate=1e-3, weight_decay=1e-6)
    return config


def _cifar10():
    config = common.cifar10(epochs=400, batch_size=256)
    return small(config, dict(name="debiased", tau_plus=0.1))


def _stl10():
    config = common.stl10(epochs=400, batch_size=256)
    return small(config, dict(name="debiased", tau_plus=0.1))


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="debiased",
        encoder=common.small_net(config),
        hidden=256,
        dim=128,
        temperature=0.2,
        tau_plus=0.1,
    )
    config.optimizer = common.sample_optimizer(config)
    return config
