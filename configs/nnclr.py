"""NNCLR. Dwibedi et al., 2021, arXiv:2104.14548.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-50, batch 4096, 1000 epochs; published linear probe 75.4 %),
`cifar10` (ResNet-18, batch 256, 1000 epochs; 91.88 % in solo-learn).

    sslax pretrain --config=configs/nnclr.py --workdir=/tmp/nnclr
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the paper, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _imagenet():
    """There is no released code; what the paper leaves open is as in SimCLR."""
    config = common.imagenet(epochs=1000, batch_size=4096)
    config.views = recipes.simclr(224)
    config.method = dict(
        name="nnclr",
        encoder=dict(name="resnet50", dtype=common.dtype(config)),
        hidden=2048,
        dim=256,
        predictor_hidden=4096,
        queue_size=98304,
        temperature=0.1,
    )
    config.optimizer = dict(
        name="lars",
        learning_rate=common.scaled(config, 0.3),
        weight_decay=1e-6,
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )
    return config


def _cifar10():
    """The recipe of solo-learn, whose LARS has other units."""
    config = common.cifar10(epochs=1000, batch_size=256)
    config.views = recipes.torch_byol(32, resize="bicubic", blur=(0.0, 0.0))
    config.method = dict(
        name="nnclr",
        encoder=dict(
            name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
        ),
        hidden=2048,
        dim=256,
        predictor_hidden=4096,
        queue_size=65536,
        temperature=0.2,
    )
    config.optimizer = common.solo_lars(config, 0.4, weight_decay=1e-5)
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="nnclr",
        encoder=common.small_net(config),
        hidden=256,
        dim=128,
        predictor_hidden=256,
        queue_size=2048,
        temperature=0.2,
    )
    config.optimizer = common.sample_optimizer(config)
    return config
