"""Image rotations (RotNet). Gidaris et al., 2018, arXiv:1803.07728.

Variants: `cifar10` (Network-in-Network of 4 blocks, batch 128 images, 200 epochs;
published probe of the second block 89.1 %), `imagenet` (ResNet-50, batch 256, 105
epochs, VISSL's recipe; linear probe 48.2 %).

    sslax pretrain --config=configs/rotation.py --workdir=/tmp/rotation
"""

from configs import common


def get_config(variant: str = "cifar10"):
    """The recipe, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10}
    return common.pick(variant, choices)()


def _staircase(config, *, epochs: tuple[int, ...], **kwargs):
    return dict(
        name="step_decay",
        boundaries=epochs,
        unit=config.get_oneway_ref("steps_per_epoch"),
        **kwargs,
    )


def _cifar10():
    config = common.cifar10(
        common.base(examples=common.CIFAR_EXAMPLES, epochs=200, batch_size=128)
    )
    config.evaluate.view.normalize = "cifar10_rotnet"
    config.views = dict(
        name="rotated",
        view=dict(name="shifted", padding=4, normalize="cifar10_rotnet"),
    )
    config.method = dict(name="rotation", encoder=dict(name="nin", dtype="float32"))
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.1,
        nesterov=True,
        weight_decay=5e-4,
        schedule=_staircase(config, epochs=(60, 120, 160), factor=0.2),
    )
    return config


def _imagenet():
    config = common.imagenet(
        common.base(examples=common.IMAGENET_EXAMPLES, epochs=105, batch_size=256)
    )
    config.views = dict(
        name="rotated", view=dict(name="view", size=224, normalize="imagenet")
    )
    config.method = dict(
        name="rotation", encoder=dict(name="resnet50", dtype="float32")
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=common.scaled(config, 0.1),
        weight_decay=1e-4,
        exclude="rank_one",
        schedule=_staircase(config, epochs=(30, 60, 90, 100), factor=0.1),
    )
    return config
