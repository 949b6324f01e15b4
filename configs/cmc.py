"""Contrastive multiview coding (CMC). Tian et al., 2019, arXiv:1906.05849.

Variants: `sample` (drawn objects, contrast in the batch, minutes on a laptop),
`imagenet` (two half-width ResNet-50, L against ab, softmax with 4096 images, batch 128,
240 epochs; published linear probe about 64.0 %),
`alexnet` (two halves of AlexNet, 16384 images, batch 256; 42.6 % of conv5),
`cifar10` (two half-width ResNet-18; there is no recipe of the authors),
`core` (the same with L, a and b apart, L against each of the others).

    sslax pretrain --config=configs/cmc.py:cifar10 --workdir=/tmp/cmc
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the released code, by variant."""
    choices = {
        "imagenet": _imagenet,
        "alexnet": _alexnet,
        "cifar10": _cifar10,
        "core": _core,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _method(config, encoder: dict, *, views=2, temperature=0.07, negatives=4096):
    return dict(
        name="cmc",
        encoders=(encoder,) * views,
        examples=config.get_oneway_ref("examples"),
        dim=128,
        contrast="softmax",
        negatives=negatives,
        temperature=temperature,
        momentum=0.5,
    )


def _sgd(config) -> dict:
    return dict(
        name="sgd",
        learning_rate=0.03,
        weight_decay=1e-4,
        schedule=dict(
            name="step_decay",
            boundaries=(120, 160, 200),
            factor=0.1,
            unit=config.get_oneway_ref("steps_per_epoch"),
        ),
    )


def _large(batch_size: int, scale):
    """ImageNet, whose statistics those of the channels take the place of."""
    config = common.imagenet(epochs=240, batch_size=batch_size)
    config.normalize = None
    config.views = recipes.channels(224, scale=scale)
    config.evaluate.views = recipes.channels(224, evaluated=dict(resize_to=256))
    config.optimizer = _sgd(config)
    return config


def _imagenet():
    config = _large(128, (0.08, 1.0))
    config.evaluate.tasks = (recipes.classify("cmc", **common.IMAGENET_PROBES),)
    encoder = dict(
        name="resnet50", width=0.5, dtype=common.dtype(config), zero_init=False
    )
    config.method = _method(config, encoder)
    return config


def _alexnet():
    config = _large(256, (0.2, 1.0))
    encoder = dict(
        name="alexnet",
        widths=(48, 128, 192, 192, 128),
        hidden=2048,
        dtype=common.dtype(config),
    )
    config.method = _method(config, encoder, negatives=16384)
    return config


def _cifar10(apart=(1, 2)):
    config = common.cifar10(epochs=240, batch_size=128)
    config.normalize = None
    config.views = recipes.channels(32, apart=apart)
    config.evaluate.views = recipes.channels(32, apart=apart, evaluated={})
    config.evaluate.tasks = (recipes.classify("cmc"),)
    encoder = dict(
        name="resnet18",
        width=0.5,
        dtype=common.dtype(config),
        stem="cifar",
        zero_init=False,
    )
    config.method = _method(config, encoder, views=len(apart), temperature=0.1)
    config.optimizer = _sgd(config)
    return config


def _core():
    config = _cifar10(apart=(1, 1, 1))
    config.method.core = True
    return config


def _sample():
    config = common.drawn(epochs=40)
    config.evaluate.tasks = (recipes.classify("simclr", batch_size=256),)
    config.views = recipes.channels(32, scale=(0.4, 1.0))
    config.evaluate.views = recipes.channels(32, evaluated=dict(resize_to=32))
    config.method = _method(config, common.small_net(config), temperature=0.1)
    # With banks of 1024 rows, runs of 40 epochs have not learned to tell images.
    config.method.contrast = "batch"
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config
