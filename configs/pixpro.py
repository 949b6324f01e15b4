"""PixPro. Xie et al., 2020, arXiv:2011.10043.

Variants: `imagenet` (ResNet-50, batch 1024, 100 epochs; published Pascal VOC AP 58.8,
COCO 40.8 by FPN), `instance` (with the instance branch; COCO 41.3),
`sample` (drawn objects, minutes on a laptop).

    sslax pretrain --config=configs/pixpro.py --workdir=/tmp/pixpro
"""

from configs import common, recipes

# 8 x 8 cells of an image of 64 pixels; kNN reads their mean.
SMALL_MAP = dict(
    name="convnet",
    widths=(32, 64, 128),
    strides=(2, 2, 2),
    output=("pooled", "map"),
)


def get_config(variant: str = "imagenet"):
    """The recipe of the released code, by variant."""
    choices = {
        "imagenet": _imagenet,
        "instance": lambda: _imagenet(instance=1.0),
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _imagenet(**kwargs):
    config = imagenet()
    config.method = dict(name="pixpro", **full_size(config), **kwargs)
    return config


def _sample():
    config = sample()
    config.method = dict(name="pixpro", **small_size(config))
    return config


def _momentum(config) -> dict:
    steps = config.get_oneway_ref("steps")
    return dict(name="cosine", start=0.99, end=1.0, steps=steps)


def full_size(config) -> dict:
    """Networks of the paper, and the teacher's momentum."""
    encoder = dict(
        name="resnet50", output=("pooled", "map"), dtype=common.dtype(config)
    )
    return dict(encoder=encoder, hidden=4096, dim=256, momentum=_momentum(config))


def imagenet():
    """Data, views and optimizer of the released script; PixContrast's are the same."""
    config = common.imagenet(epochs=100, batch_size=1024, half=True)
    config.views = recipes.torch_byol(224, name="pixel_views")
    config.optimizer = dict(
        name="lars_byol",
        learning_rate=common.scaled(config, 1.0),
        weight_decay=1e-5,
        schedule=common.warmup_cosine(config, warmup_epochs=5, start=0.01),
    )
    return config


def small_size(config) -> dict:
    """The same for the drawn objects."""
    return dict(
        encoder={**SMALL_MAP, "dtype": common.dtype(config)},
        hidden=256,
        dim=64,
        momentum=_momentum(config),
    )


def sample():
    """Drawn shapes, with what reads maps: shapes cut out of their textures."""
    config = common.drawn(epochs=40)
    crop = recipes.crop(64, scale=(0.3, 1.0), jitter=(0.4, 0.4, 0.2, 0.1))
    config.views = dict(name="pixel_views", first=crop)
    config.optimizer = dict(
        name="adamw",
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule=common.warmup_cosine(config, warmup_epochs=1),
    )
    return config
