"""MoCo v2. Chen et al., 2020, arXiv:2003.04297; He et al., 2019, arXiv:1911.05722.

Variants: `imagenet` (ResNet-50, batch 256, 200 epochs; published linear probe 67.5 %),
`cifar10` (ResNet-18, batch 512, 200 epochs; published kNN 82.6 %).

    sslax pretrain --config=configs/moco.py --workdir=/tmp/moco
"""

from configs import common


def get_config(variant: str = "imagenet"):
    """The official recipe, by variant."""
    choices = {"imagenet": _imagenet, "cifar10": _cifar10}
    return common.pick(variant, choices)()


def _views(size: int, *, scale: tuple[float, float], blur: float, normalize: str):
    first = dict(
        name="view",
        size=size,
        scale=scale,
        crop="torchvision",
        resize="bilinear",
        jitter=(0.4, 0.4, 0.4, 0.1),
        colour="torchvision",
        grayscale=0.2,
        blur=blur,
        normalize=normalize,
    )
    return dict(name="two_views", first=first)


def _cosine_by_epoch(config) -> dict:
    """The official code sets the rate once an epoch."""
    ref = config.get_oneway_ref
    return dict(
        name="by_epoch",
        schedule=dict(name="warmup_cosine", steps=ref("epochs")),
        steps_per_epoch=ref("steps_per_epoch"),
    )


def _imagenet():
    config = common.imagenet(
        common.base(examples=common.IMAGENET_EXAMPLES, epochs=200, batch_size=256)
    )
    config.evaluate.probe = "moco"
    config.views = _views(224, scale=(0.2, 1.0), blur=0.5, normalize="imagenet")
    config.method = dict(
        name="moco",
        encoder=dict(name="resnet50", dtype="float32", bn_groups=8, zero_init=False),
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
        schedule=_cosine_by_epoch(config),
    )
    return config


def _cifar10():
    config = common.cifar10(
        common.base(examples=common.CIFAR_EXAMPLES, epochs=200, batch_size=512)
    )
    config.evaluate.update(
        view=dict(name="center", size=32, normalize="cifar10"),
        knn=dict(k=200, temperature=0.1),
    )
    config.evaluate.probe = "moco"
    config.views = _views(32, scale=(0.08, 1.0), blur=0.0, normalize="cifar10")
    config.method = dict(
        name="moco",
        encoder=dict(
            name="resnet18", dtype="float32", stem="cifar", bn_groups=8, zero_init=False
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
        schedule=_cosine_by_epoch(config),
    )
    return config
