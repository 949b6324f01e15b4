"""InvaSpread. Ye et al., 2019, arXiv:1904.03436.

Variants: `sample` (minutes on a laptop),
`cifar10` (ResNet-18, batch 128, 301 epochs; published kNN 83.6 %).
There is no recipe of the authors for ImageNet.

    sslax pretrain --config=configs/invaspread.py --workdir=/tmp/invaspread
"""

from configs import common, recipes


def get_config(variant: str = "cifar10"):
    """The recipe of the released code, by variant."""
    return common.pick(variant, {"cifar10": _cifar10, "sample": _sample})()


def _cifar10():
    config = common.cifar10(epochs=301, batch_size=128)
    votes = dict(k=200, temperature=0.1)
    config.evaluate.tasks = (recipes.classify("moco", **votes),)
    config.evaluate.online = (dict(name="knn", **votes),)
    config.views = dict(name="two_views", first=recipes.instance(32))
    config.method = dict(
        name="invaspread",
        encoder=dict(
            name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
        ),
        dim=128,
        temperature=0.1,
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.03,
        weight_decay=5e-4,
        schedule=dict(
            name="step_decay",
            boundaries=(120, 160, 200),
            values=(0.1, 0.05, 0.01),
            unit=config.get_oneway_ref("steps_per_epoch"),
        ),
    )
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    config.method = dict(
        name="invaspread", encoder=common.small_net(config), dim=128, temperature=0.1
    )
    config.optimizer = dict(
        name="adamw",
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule=common.warmup_cosine(config, warmup_epochs=1),
    )
    return config
