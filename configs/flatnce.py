"""FlatNCE. Chen et al., 2021, arXiv:2107.01152.

Variants: `imagenet` (ResNet-50, batch 512, 100 epochs; the paper shows it above SimCLR
at this batch), `cifar10` (ResNet-18, batch 256, 200 epochs: the released script, whose
batch and rate are open there), `sample` (minutes on a laptop).

    sslax pretrain --config=configs/flatnce.py --workdir=/tmp/flatnce
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the released code, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _lars(config, rate) -> dict:
    """The cosine ends at a rate of 1e-6."""
    return dict(
        name="lars",
        learning_rate=rate,
        weight_decay=1e-6,
        schedule=common.warmup_cosine(config, warmup_epochs=10, end=1e-6 / rate),
    )


def _imagenet():
    config = common.imagenet(epochs=100, batch_size=512)
    config.normalize = None
    config.views = recipes.moco(224, scale=(0.08, 1.0), strength=1.0)
    config.method = dict(
        name="flatnce",
        encoder=dict(name="resnet50", dtype=common.dtype(config), zero_init=False),
        hidden=2048,
        dim=128,
        temperature=0.1,
    )
    config.optimizer = _lars(config, common.scaled(config, 0.3))
    return config


def _cifar10():
    config = common.cifar10(epochs=200, batch_size=256)
    config.normalize = None
    config.views = recipes.moco(32, scale=(0.08, 1.0), blur=0.0)
    config.method = dict(
        name="flatnce",
        encoder=dict(
            name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
        ),
        hidden=512,
        dim=128,
        temperature=0.1,
    )
    # The code's other rule, of the root of the batch.
    rate = 0.075 * config.get_oneway_ref("batch_size") ** 0.5
    config.optimizer = _lars(config, rate)
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="flatnce",
        encoder=common.small_net(config),
        hidden=256,
        dim=128,
        temperature=0.2,
    )
    config.optimizer = common.sample_optimizer(config)
    return config
