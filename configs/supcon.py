"""SupCon, contrast with labels. Khosla et al., 2020, arXiv:2004.11362.

Variants: `cifar10` (ResNet-50, batch 1024, 1000 epochs; published linear probe 96.0 %),
`sample` (minutes on a laptop). On ImageNet the authors' other code has AutoAugment and
another head; that is not here.

    sslax pretrain --config=configs/supcon.py --workdir=/tmp/supcon
"""

from configs import common, recipes


def get_config(variant: str = "cifar10"):
    """The recipe of the released code, by variant."""
    return common.pick(variant, {"cifar10": _cifar10, "sample": _sample})()


def _schedule(config, *, start: float) -> dict:
    """A cosine by epochs, counted from 1; up to it a warm-up by steps."""
    ref = config.get_oneway_ref
    config.warmup_epochs = 10
    cosine = dict(name="cosine", start=1.0, end=1e-3, steps=ref("epochs"))
    return dict(
        name="warmed_up",
        schedule=dict(
            name="by_epoch",
            schedule=cosine,
            steps_per_epoch=ref("steps_per_epoch"),
            first=1,
        ),
        steps=ref("warmup_epochs") * ref("steps_per_epoch"),
        start=start,
    )


def _cifar10():
    config = common.cifar10(epochs=1000, batch_size=1024)
    config.views = recipes.moco(32, blur=0.0)
    config.method = dict(
        name="supcon",
        encoder=dict(
            name="resnet50", dtype=common.dtype(config), stem="cifar", zero_init=False
        ),
        hidden=2048,
        dim=128,
        temperature=0.1,
        base_temperature=0.07,
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.5,
        weight_decay=1e-4,
        schedule=_schedule(config, start=0.01 / 0.5),
    )
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="supcon",
        encoder=common.small_net(config),
        hidden=256,
        dim=128,
        temperature=0.1,
    )
    config.optimizer = common.sample_optimizer(config)
    return config
