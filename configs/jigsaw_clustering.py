"""Jigsaw clustering (JigClu). Chen et al., 2021, arXiv:2104.00323.

Variants: `imagenet` (ResNet-50, batch 256, 200 epochs; published linear probe 66.4 %),
`sample` (minutes on a laptop).

    sslax pretrain --config=configs/jigsaw_clustering.py --workdir=/tmp/jigclu
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the released code, by variant."""
    choices = {"imagenet": _imagenet, "sample": _sample}
    return common.pick(variant, choices)()


def _montage(view: dict) -> dict:
    return dict(name="montage", view=view, overlap=0.3)


def _imagenet():
    config = common.imagenet(epochs=200, batch_size=256, probe="jigsaw_clustering")
    config.views = _montage(recipes.moco(112)["first"])
    config.method = dict(
        name="jigsaw_clustering",
        encoder=dict(
            name="resnet50",
            output=("pooled", "map"),
            zero_init=False,
            dtype=common.dtype(config),
        ),
        hidden=2048,
        dim=128,
        temperature=0.3,
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=common.scaled(config, 0.03),
        weight_decay=1e-4,
        schedule=common.cosine_by_epoch(config),
    )
    return config


def _sample():
    config = common.sample()
    config.views = _montage(recipes.sample(14))
    encoder = common.small_net(config, output=("flat", "map"))
    config.method = dict(
        name="jigsaw_clustering", encoder=encoder, hidden=128, dim=64, temperature=0.3
    )
    config.optimizer = common.sample_optimizer(config)
    return config
