"""Contrast with hard negatives. Robinson et al., 2020, arXiv:2010.04592.

Variants: `cifar10` (ResNet-50, batch 256, 400 epochs), `stl10` (the same on the
unlabelled images of STL-10; published linear probe 87.4 %, 84.3 % with `beta=0`),
`stl10_annealed` (beta falls to 0 in nine levels), `sample` (minutes on a laptop).

    sslax pretrain --config=configs/hard_negatives.py:cifar10 --workdir=/tmp/hard
"""

from configs import common, debiased, recipes


def get_config(variant: str = "cifar10"):
    """The recipe of the official code, by variant."""
    choices = {
        "cifar10": _cifar10,
        "stl10": _stl10,
        "stl10_annealed": _stl10_annealed,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _method(**kwargs) -> dict:
    return dict(name="hard_negatives", tau_plus=0.1, **kwargs)


def _cifar10():
    config = common.cifar10(epochs=400, batch_size=256)
    return debiased.small(config, _method(beta=1.0))


def _stl10():
    config = common.stl10(epochs=400, batch_size=256)
    return debiased.small(config, _method(beta=1.0))


def _stl10_annealed():
    config = common.stl10(epochs=400, batch_size=256)
    ref = config.get_oneway_ref
    # One late: the first level lasts two of nine parts, 0 the four epochs left over.
    beta = dict(
        name="by_epoch",
        schedule=dict(name="ramp", start=1.0, end=0.0, steps=8, delay=1),
        steps_per_epoch=ref("epochs") // 9 * ref("steps_per_epoch"),
    )
    return debiased.small(config, _method(beta=beta))


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = _method(
        encoder=common.small_net(config), hidden=256, dim=128, temperature=0.2, beta=1.0
    )
    config.optimizer = common.sample_optimizer(config)
    return config
