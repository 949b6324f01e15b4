"""Image rotations (RotNet). Gidaris et al., 2018, arXiv:1803.07728.

Variants: `sample` (minutes on a laptop), `cifar10` (Network-in-Network of 4 blocks,
batch 128 images, 200 epochs; what is evaluated is the second block, of which a probe
with two hidden layers has 89.1 %, of the fourth 61.7 %), `imagenet` (ResNet-50, 105
epochs).

VISSL's ResNet-50, of which the linear probe has 48.2 %, turns each image once and crops
it then, 256 inputs a step at a rate of 0.1. Here as in the paper all four turns follow
the crop, and 256 images are 1024 inputs: the rate is four times VISSL's, after a
warm-up, and an image is seen four times as often.

    sslax pretrain --config=configs/rotation.py --workdir=/tmp/rotation
"""

from configs import common, recipes


def get_config(variant: str = "cifar10"):
    """The recipe, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10, "sample": _sample}
    return common.pick(variant, choices)()


def _staircase(config, *, epochs: tuple[int, ...], warmup_epochs: int = 0, **kwargs):
    config.warmup_epochs = warmup_epochs
    ref = config.get_oneway_ref  # one way: setting a field leaves its source alone
    return dict(
        name="step_decay",
        boundaries=epochs,
        unit=ref("steps_per_epoch"),
        warmup=ref("warmup_epochs") * ref("steps_per_epoch"),
        **kwargs,
    )


def _cifar10():
    config = common.cifar10(epochs=200, batch_size=128)
    config.normalize = "cifar10_rotnet"
    config.views = dict(name="rotated", view=dict(name="shifted", padding=4))
    config.evaluate.online_examples = 10_000  # of 12,288 features each
    config.method = dict(
        name="rotation",
        encoder=dict(
            name="nin", dtype=common.dtype(config), output=("pooled", "conv2")
        ),
        features="conv2",
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.1,
        nesterov=True,
        weight_decay=5e-4,
        schedule=_staircase(config, epochs=(60, 120, 160), factor=0.2),
    )
    return config


def _imagenet():
    config = common.imagenet(epochs=105, batch_size=256)
    config.views = dict(name="rotated", view=recipes.crop(224))
    config.method = dict(
        name="rotation", encoder=dict(name="resnet50", dtype=common.dtype(config))
    )
    config.optimizer = dict(
        name="sgd",
        # 0.1 per 256 inputs, and every image is four of them.
        learning_rate=common.scaled(config, 0.1, per=64),
        weight_decay=1e-4,
        exclude="rank_one",
        schedule=_staircase(
            config, epochs=(30, 60, 90, 100), factor=0.1, warmup_epochs=5
        ),
    )
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="rotated", view=recipes.sample())
    config.method = dict(name="rotation", encoder=common.small_net(config))
    config.optimizer = dict(
        name="adamw",
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule=common.warmup_cosine(config, warmup_epochs=1),
    )
    return config
