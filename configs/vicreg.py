"""VICReg. Bardes, Ponce and LeCun, 2021, arXiv:2105.04906.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-50, batch 2048, 1000 epochs; published linear probe 73.2 %),
`cifar10` (ResNet-18, batch 256, 1000 epochs; 92.07 % in solo-learn).

    sslax pretrain --config=configs/vicreg.py --workdir=/tmp/vicreg

With a batch of 256 the authors advise a base rate of 0.5:
`--config.optimizer.learning_rate=0.5`.
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the released code, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _imagenet():
    config = common.imagenet(epochs=1000, batch_size=2048, probe="vicreg", half=True)
    config.views = recipes.torch_byol(224, resize="bicubic")
    config.method = dict(
        name="vicreg",
        encoder=dict(name="resnet50", dtype=common.dtype(config)),
        hidden=8192,
        dim=8192,
        invariance_weight=25.0,
        variance_weight=25.0,
        covariance_weight=1.0,
    )
    config.optimizer = dict(
        name="lars_byol",
        learning_rate=common.scaled(config, 0.2),
        weight_decay=1e-6,
        schedule=common.warmup_cosine(config, warmup_epochs=10, end=0.001),
    )
    return config


def _cifar10():
    """The recipe of solo-learn, whose LARS has other units."""
    config = common.cifar10(epochs=1000, batch_size=256)
    config.evaluate.tasks = (recipes.classify("vicreg"),)
    config.views = recipes.torch_byol(
        32, scale=(0.2, 1.0), resize="bicubic", blur=(0.0, 0.0), solarize=(0.1, 0.1)
    )
    config.method = dict(
        name="vicreg",
        encoder=dict(
            name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
        ),
        hidden=2048,
        dim=2048,
        variance_weight=50.0,  # there the variances of both views add up
    )
    config.optimizer = common.solo_lars(config, 0.3, weight_decay=1e-4)
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="vicreg", encoder=common.small_net(config), hidden=512, dim=512, depth=2
    )
    config.optimizer = common.sample_optimizer(config)
    return config
