"""MoCo v2. Chen et al., 2020, arXiv:2003.04297; v1: He et al., 2019, arXiv:1911.05722.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-50, batch 256, 200 epochs; published linear probe 67.5 %),
`v1` (a linear head, no blur, steps of the rate; 60.6 %),
`cifar10` (ResNet-18, batch 512, 200 epochs; published kNN 82.6 %).

    sslax pretrain --config=configs/moco.py --workdir=/tmp/moco
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The official recipe, by variant."""
    choices = {
        "imagenet": _imagenet,
        "v1": _v1,
        "cifar10": _cifar10,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _groups(config, size: int):
    """Batch norm over groups of so many images, whatever the batch; larger leak."""
    return 1 + (config.get_oneway_ref("batch_size") - 1) // size


def _imagenet():
    config = common.imagenet(epochs=200, batch_size=256, probe="moco")
    config.views = recipes.moco(224)
    config.method = dict(
        name="moco",
        encoder=dict(
            name="resnet50",
            dtype=common.dtype(config),
            bn_groups=_groups(config, 32),
            zero_init=False,
        ),
        hidden=2048,
        dim=128,
        queue_size=65536,
        momentum=0.999,
        temperature=0.2,
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=common.scaled(config, 0.03),
        weight_decay=1e-4,
        schedule=common.cosine_by_epoch(config),
    )
    return config


def _v1():
    config = _imagenet()
    view = recipes.instance(224, grey_first=True)
    config.views = dict(name="two_views", first=view)
    config.method.update(hidden=None, temperature=0.07)
    config.optimizer.schedule = dict(
        name="step_decay",
        boundaries=(120, 160),
        factor=0.1,
        unit=config.get_oneway_ref("steps_per_epoch"),
    )
    return config


def _cifar10():
    config = common.cifar10(epochs=200, batch_size=512)
    votes = dict(k=200, temperature=0.1)
    config.evaluate.tasks = (recipes.classify("moco", **votes),)
    config.evaluate.online = (dict(name="knn", **votes),)
    config.views = recipes.moco(32, scale=(0.08, 1.0), blur=0.0)
    config.method = dict(
        name="moco",
        encoder=dict(
            name="resnet18",
            dtype=common.dtype(config),
            stem="cifar",
            bn_groups=_groups(config, 64),
            zero_init=False,
        ),
        hidden=None,
        dim=128,
        queue_size=4096,
        momentum=0.99,
        temperature=0.1,
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.06,
        weight_decay=5e-4,
        schedule=common.cosine_by_epoch(config),
    )
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="moco",
        encoder=common.small_net(config, bn_groups=_groups(config, 32)),
        hidden=256,
        dim=128,
        queue_size=4096,
        momentum=0.99,
        temperature=0.2,
    )
    config.optimizer = common.sample_optimizer(config)
    return config
