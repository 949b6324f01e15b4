"""DINO. Caron et al., 2021, arXiv:2104.14294.

Variants: `sample` (minutes on a laptop),
`imagenet` (ViT-S/16, two crops of 224 and eight of 96 pixels, batch 1024, 300 epochs;
published kNN 73.3 % and linear probe 76.0 %, and 74.5 and 77.0 % at 800 epochs),
`resnet50` (batch 512, 100 epochs, as the released code advises; the published 67.5 and
75.3 % are of a longer run with batches of 4080),
`cifar10` (ResNet-18, two views, batch 256, 1000 epochs; 89.5 % in solo-learn).

    sslax pretrain --config=configs/dino.py --workdir=/tmp/dino
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The official recipe, by variant."""
    choices = {
        "imagenet": _imagenet,
        "resnet50": _resnet50,
        "cifar10": _cifar10,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _on_imagenet(*, epochs: int, batch_size: int):
    config = common.imagenet(
        epochs=epochs, batch_size=batch_size, probe="dino", half=True
    )
    return config


def _imagenet():
    config = _on_imagenet(epochs=300, batch_size=1024)
    config.views = recipes.dino(224, small=96)
    config.method = dict(
        name="dino",
        encoder=dict(
            name="vit_small",
            patch_size=16,
            drop_path=0.1,
            resize="factor",
            output=("pooled", "map", "attention"),  # the last two for the report
            dtype=common.dtype(config),
        ),
        dim=65536,
        with_gain=True,
        momentum=common.moving(config, start=0.996, end=1.0),
        teacher_temperature=common.warming(config, epochs=30),
    )
    tx = dict(
        name="adamw",
        learning_rate=common.scaled(config, 5e-4),
        weight_decay=common.moving(config, start=0.04, end=0.4),
        schedule=common.warmup_cosine(
            config, warmup_epochs=10, end=1e-6 / 2e-3, inclusive=True
        ),
    )
    config.optimizer = common.resting(config, tx)
    return config


def _resnet50():
    config = _on_imagenet(epochs=100, batch_size=512)
    config.views = recipes.dino(224, small=96, scale=(0.14, 1.0), parts=(0.05, 0.14))
    config.method = dict(
        name="dino",
        encoder=dict(name="resnet50", dtype=common.dtype(config), zero_init=False),
        dim=65536,
        momentum=common.moving(config, start=0.996, end=1.0),
        teacher_temperature=0.04,
    )
    tx = dict(
        name="sgd",
        learning_rate=common.scaled(config, 0.03),
        weight_decay=1e-4,
        exclude="rank_one",
        schedule=common.warmup_cosine(
            config, warmup_epochs=10, end=1e-6 / 0.06, inclusive=True
        ),
    )
    config.optimizer = common.resting(config, tx)
    return config


def _cifar10():
    config = common.cifar10(epochs=1000, batch_size=256)
    config.evaluate.tasks = (recipes.classify("dino"),)
    views = dict(
        scale=(0.08, 1.0),
        resize="bicubic",
        jitter=(0.4, 0.4, 0.2, 0.1),
        colour="torchvision",
        grayscale=0.2,
    )
    config.views = dict(
        name="two_views",
        first=recipes.crop(32, **views),
        second=recipes.crop(32, solarize=0.2, **views),
    )
    config.method = dict(
        name="dino",
        encoder=dict(
            name="resnet18", dtype=common.dtype(config), stem="cifar", zero_init=False
        ),
        dim=4096,
        momentum=common.moving(config, start=0.9995, end=1.0),
        teacher_temperature=0.07,
    )
    tx = dict(
        name="larc",
        learning_rate=common.scaled(config, 0.3),
        weight_decay=1e-6,
        trust=0.02,
        clip=True,
        exclude="rank_one",
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )
    config.optimizer = common.resting(config, tx, clip=None)
    return config


def _sample():
    """More prototypes, or a teacher at 0.07, make all images alike at first."""
    config = common.sample()
    config.views = recipes.sample_crops()
    config.method = dict(
        name="dino",
        encoder=common.small_net(config, output="pooled"),
        dim=32,
        hidden=64,
        bottleneck=16,
        momentum=common.moving(config, start=0.99, end=1.0),
        teacher_temperature=0.04,
    )
    config.optimizer = common.resting(config, common.sample_optimizer(config))
    return config
