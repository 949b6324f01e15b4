"""Alignment and uniformity. Wang and Isola, 2020, arXiv:2005.10242.

Variants: `stl10` (a small AlexNet on the unlabelled images, batch 768, 200 epochs;
published linear probe of fc7 83.2 %), `cifar10` (ResNet-18, otherwise the same: there
is no official one), `sample` (minutes on a laptop). On ImageNet the paper has a queue
and a slow teacher, which is another method.

    sslax pretrain --config=configs/align_uniform.py --workdir=/tmp/align_uniform
"""

from configs import common, recipes


def get_config(variant: str = "stl10"):
    """The recipe of the official code, by variant."""
    choices = {"stl10": _stl10, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _method(encoder: dict) -> dict:
    return dict(
        name="align_uniform",
        encoder=encoder,
        dim=128,
        alpha=2.0,
        t=2.0,
        align_weight=1.0,
        uniform_weight=1.0,
    )


def _trained(config, size: int):
    """Views and optimizer of the code; its jitter is always there, strong in hue."""
    view = recipes.instance(size, scale=(0.08, 1.0))
    config.views = dict(name="two_views", first=view)
    config.optimizer = dict(
        name="sgd",
        learning_rate=common.scaled(config, 0.12),
        weight_decay=1e-4,
        schedule=dict(
            name="step_decay",
            boundaries=(155, 170, 185),
            factor=0.1,
            unit=config.get_oneway_ref("steps_per_epoch"),
        ),
    )
    return config


def _stl10():
    config = common.stl10(epochs=200, batch_size=768)
    config.evaluate.views = recipes.center(64, resize_to=70)
    config.method = _method(dict(name="small_alexnet", dtype=common.dtype(config)))
    return _trained(config, 64)


def _cifar10():
    config = common.cifar10(epochs=200, batch_size=768)
    encoder = dict(
        name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
    )
    config.method = _method(encoder)
    return _trained(config, 32)


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = _method(common.small_net(config))
    config.optimizer = common.sample_optimizer(config)
    return config
