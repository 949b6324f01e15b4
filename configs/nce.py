"""NCE, of the pairs of a batch. Gutmann and Hyvarinen, 2012, JMLR 13:307-361.

Variants: `imagenet` and `cifar10` (SimCLR's recipes with this loss; the paper is not of
images, and InstDisc and CMC, which are, have banks), `sample` (minutes on a laptop).

    sslax pretrain --config=configs/nce.py:cifar10 --workdir=/tmp/nce
"""

from configs import common, recipes, simclr


def get_config(variant: str = "imagenet"):
    """The recipe, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _apart(optimizer: dict) -> dict:
    """The normaliser is one number: it moves by itself, slowly and without decay."""
    alone = dict(name="adam", learning_rate=0.05)
    return dict(name="grouped", optimizer=optimizer, others=((("normaliser",), alone),))


def _of_simclr(variant: str, **kwargs):
    config = simclr.get_config(variant)
    with config.unlocked():
        config.method = dict(name="nce", encoder=config.method.encoder, **kwargs)
        config.optimizer = _apart(config.optimizer)
    return config


def _imagenet():
    return _of_simclr("imagenet", hidden=2048, dim=128, temperature=0.1)


def _cifar10():
    return _of_simclr("cifar10", hidden=512, dim=128, temperature=0.5)


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="nce",
        encoder=common.small_net(config),
        hidden=256,
        dim=128,
        temperature=0.2,
    )
    config.optimizer = _apart(common.sample_optimizer(config))
    return config
