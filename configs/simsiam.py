"""SimSiam. Chen and He, 2020, arXiv:2011.10566.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-50, batch 512, 100 epochs; published linear probe 68.1 %),
`cifar10` (ResNet-18, batch 512, 800 epochs; published linear probe 91.8 %).

    sslax pretrain --config=configs/simsiam.py --workdir=/tmp/simsiam
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the paper, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _predictor_constant(optimizer: dict) -> dict:
    """The rate of all but the predictor falls; the predictor keeps up with them."""
    constant = {k: v for k, v in optimizer.items() if k != "schedule"}
    others = ((("predictor",), constant),)
    return dict(name="grouped", optimizer=optimizer, others=others)


def _imagenet():
    config = common.imagenet(epochs=100, batch_size=512, probe="simsiam")
    config.views = recipes.moco(224)
    config.method = dict(
        name="simsiam",
        encoder=dict(name="resnet50", dtype=common.dtype(config)),
        hidden=2048,
        dim=2048,
        bottleneck=512,
    )
    config.optimizer = _predictor_constant(
        dict(
            name="sgd",
            learning_rate=common.scaled(config, 0.05),
            weight_decay=1e-4,
            schedule=common.cosine_by_epoch(config),
        )
    )
    return config


def _cifar10():
    config = common.cifar10(epochs=800, batch_size=512)
    config.evaluate.tasks = (recipes.classify("simsiam"),)
    config.views = recipes.moco(32, blur=0.0)
    config.method = dict(
        name="simsiam",
        encoder=dict(name="resnet18", dtype=common.dtype(config), stem="cifar"),
        hidden=2048,
        dim=2048,
        depth=2,
        bottleneck=512,
    )
    config.optimizer = _predictor_constant(
        dict(
            name="sgd",
            learning_rate=common.scaled(config, 0.03),
            weight_decay=5e-4,
            schedule=common.cosine_by_epoch(config),
        )
    )
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="simsiam",
        encoder=common.small_net(config),
        hidden=256,
        dim=256,
        depth=2,
        bottleneck=64,
    )
    config.optimizer = _predictor_constant(common.sample_optimizer(config))
    return config
