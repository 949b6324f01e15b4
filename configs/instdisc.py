"""Instance discrimination (NPID). Wu et al., 2018, arXiv:1805.01978.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-50, batch 256, 200 epochs, NCE with 4096 images; published nearest
neighbour 46.8 %, linear probe 54.0 %),
`cifar10` (ResNet-18, batch 128, 200 epochs, softmax over all images; published kNN
80.8 %).

    sslax pretrain --config=configs/instdisc.py:cifar10 --workdir=/tmp/instdisc
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the released code, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _method(config, encoder: dict, *, temperature: float, negatives=None):
    return dict(
        name="instdisc",
        encoder=encoder,
        examples=config.get_oneway_ref("examples"),
        dim=128,
        negatives=negatives,
        temperature=temperature,
        momentum=0.5,
    )


def _sgd(config, *, weight_decay: float) -> dict:
    return dict(
        name="sgd",
        learning_rate=0.03,
        weight_decay=weight_decay,
        schedule=dict(
            name="step_decay",
            boundaries=(120, 160),
            factor=0.1,
            unit=config.get_oneway_ref("steps_per_epoch"),
        ),
    )


def _imagenet():
    config = common.imagenet(epochs=200, batch_size=256)
    votes = dict(k=200, temperature=0.07)
    probes = common.IMAGENET_PROBES
    config.evaluate.tasks = (recipes.classify("moco", **votes, **probes),)
    config.views = dict(name="one_view", view=recipes.instance(224, grey_first=True))
    encoder = dict(name="resnet50", dtype=common.dtype(config), zero_init=False)
    config.method = _method(config, encoder, temperature=0.07, negatives=4096)
    config.optimizer = _sgd(config, weight_decay=1e-4)
    return config


def _cifar10():
    config = common.cifar10(epochs=200, batch_size=128)
    votes = dict(k=200, temperature=0.1)
    config.evaluate.tasks = (recipes.classify("moco", **votes),)
    config.evaluate.online = (dict(name="knn", **votes),)
    # The script has its flip commented out.
    view = recipes.instance(32, flip=0.0, grey_first=True)
    config.views = dict(name="one_view", view=view)
    encoder = dict(
        name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
    )
    config.method = _method(config, encoder, temperature=0.1)
    config.optimizer = _sgd(config, weight_decay=5e-4)
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="one_view", view=recipes.sample())
    config.method = _method(config, common.small_net(config), temperature=0.1)
    # Of 5e-4, 1e-3 and 2e-3 this rate read best on held-out training images.
    config.optimizer = common.sample_optimizer(config, learning_rate=1e-3)
    return config
