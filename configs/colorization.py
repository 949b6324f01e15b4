"""Colorization. Zhang et al., 2016, arXiv:1603.08511.

Variants: `imagenet` (the ten-layer network, 176 pixels, batch 40, 500,000 steps; its
figures are of pictures: recoloured images are told at 56.0 % by VGG-16, grey ones at
52.7 %), `sample` (drawn objects, whose textures have colours of their class; minutes
on a laptop).

The recipe is that of the released code. Its weights start as k-means of data make them,
here at random; its other network, AlexNet, is not here.

    sslax pretrain --config=configs/colorization.py:sample --workdir=/tmp/colorization
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe, by variant."""
    choices = {"imagenet": _imagenet, "sample": _sample}
    return common.pick(variant, choices)()


def _asked(config, view: dict, center: dict) -> None:
    """Lightness, and colours at every fourth pixel; Lab has statistics of its own."""
    config.normalize = None
    config.views = dict(name="lab", view=view, stride=4)
    config.evaluate.views = dict(name="lab", view=dict(name="center", **center))


def _method(config, *, width: int) -> dict:
    output = ("pooled", "logits", "map")
    encoder = dict(
        name="colorizer", width=width, output=output, dtype=common.dtype(config)
    )
    return dict(name="colorization", encoder=encoder, neighbours=10, uniform=0.5)


def _imagenet():
    """15.6 epochs: 225 thousand steps at each rate, and 50 at the last."""
    config = common.imagenet(epochs=16, batch_size=40)
    crop = recipes.square(176, resize_to=256, stretch=True)
    _asked(config, crop, dict(size=176, resize_to=256))
    config.method = _method(config, width=64)
    config.steps = 500_000
    config.optimizer = dict(
        name="adam",
        learning_rate=3e-5,
        b2=0.99,
        weight_decay=1e-3,
        schedule=dict(name="step_decay", boundaries=(225_000, 450_000), factor=0.1),
    )
    return config


def _sample():
    config = common.drawn(epochs=20)
    _asked(config, recipes.square(48, resize_to=56), dict(size=48, resize_to=56))
    config.method = _method(config, width=8)
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config
