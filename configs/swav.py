"""SwAV. Caron et al., 2020, arXiv:2006.09882.

Variants: `sample` (minutes on a laptop),
`imagenet` (ResNet-50, two crops of 224 and six of 96 pixels, batch 4096, 800 epochs;
published linear probe 75.3 %, and 72.1, 73.9 and 74.6 % at 100, 200 and 400 epochs),
`imagenet_256` (batch 256 with a queue, 400 epochs; 74.3 %, and 72.7 % at 200),
`cifar10` (ResNet-18, two views, batch 256 with a queue, 1000 epochs; 89.2 % in
solo-learn, whose prototypes have a learned length).

    sslax pretrain --config=configs/swav.py --workdir=/tmp/swav
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The official recipe, by variant."""
    choices = {
        "imagenet": _imagenet,
        "imagenet_256": _imagenet_256,
        "cifar10": _cifar10,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _resting(config, optimizer: dict, *, epochs: int = 1) -> dict:
    """The prototypes rest in the first epochs: no update, no decay, no momentum."""
    return dict(
        name="frozen",
        optimizer=optimizer,
        match=("prototypes",),
        steps=epochs * config.get_oneway_ref("steps_per_epoch"),
    )


def _queue(config, size: int, *, start_epoch: int) -> dict:
    """A queue of so many embeddings, rounded down to whole batches."""
    ref = config.get_oneway_ref
    return dict(
        queue_size=size // ref("batch_size") * ref("batch_size"),
        queue_start=start_epoch * ref("steps_per_epoch"),
    )


def _on_imagenet(*, epochs: int, batch_size: int):
    config = common.imagenet(
        epochs=epochs, batch_size=batch_size, probe="swav", half=True
    )
    config.normalize = "swav"
    config.views = recipes.swav(224, small=96)
    config.method = dict(
        name="swav",
        encoder=dict(name="resnet50", dtype=common.dtype(config), zero_init=False),
        hidden=2048,
        dim=128,
        prototypes=3000,
    )
    return config


def _imagenet():
    config = _on_imagenet(epochs=800, batch_size=4096)
    tx = dict(
        name="larc",
        learning_rate=common.scaled(config, 0.3),
        weight_decay=1e-6,
        # From 0.3 to 4.8 and down to 0.0048.
        schedule=common.warmup_cosine(
            config, warmup_epochs=10, start=1 / 16, end=1e-3, inclusive=True
        ),
    )
    config.optimizer = _resting(config, tx)
    return config


def _imagenet_256():
    config = _on_imagenet(epochs=400, batch_size=256)
    config.method.update(_queue(config, 3840, start_epoch=15))
    tx = dict(
        name="larc",
        learning_rate=common.scaled(config, 0.6),
        weight_decay=1e-6,
        schedule=common.warmup_cosine(config, warmup_epochs=0, end=1e-3),
    )
    config.optimizer = _resting(config, tx)
    return config


def _cifar10():
    config = common.cifar10(epochs=1000, batch_size=256)
    view = recipes.crop(
        32,
        resize="bicubic",
        jitter=(0.8, 0.8, 0.8, 0.2),
        colour="torchvision",
        grayscale=0.2,
        blur=0.5,
        kernel_size=17,
    )
    config.views = dict(name="two_views", first=view)
    config.method = dict(
        name="swav",
        encoder=dict(
            name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
        ),
        hidden=2048,
        dim=128,
        prototypes=3000,
        **_queue(config, 3840, start_epoch=50),
    )
    tx = dict(
        name="larc",
        learning_rate=common.scaled(config, 0.6),
        weight_decay=1e-6,
        trust=0.02,
        clip=True,
        exclude="rank_one",
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )
    config.optimizer = _resting(config, tx, epochs=2)
    return config


def _sample():
    config = common.sample()
    config.views = recipes.sample_crops()
    config.method = dict(
        name="swav",
        encoder=common.small_net(config, output="pooled"),
        hidden=256,
        dim=128,
        prototypes=100,
        **_queue(config, 640, start_epoch=2),
    )
    config.optimizer = _resting(config, common.sample_optimizer(config))
    return config
