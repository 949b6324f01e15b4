"""Learning to Count. Noroozi et al., 2017, arXiv:1708.06734.

Variants: `imagenet` (AlexNet without norms, quarters of 112 pixels, 1000 counts, SGD
whose rate falls by a tenth every 10,000 steps; published linear probe of conv3 34.3 %),
`adam` (the recipe of a TensorFlow implementation: pairs asked both ways, crops of 256
pixels, 1.25 million steps; 33.6 % there), `sample` (drawn objects in colour, minutes on
a laptop).

The paper tells neither its batch nor how long it trains: 256 and 200,000 steps stand
here. It takes crops at first from the centre, where colours lie upon each other; here
they are from everywhere. Probes of the papers read whole images at 227 pixels.

    sslax pretrain --config=configs/counting.py --workdir=/tmp/counting
"""

from configs import common, recipes

# Colours as they are, and one way to make images small.
STILL = dict(grey=0.0, ways=("box",))


def get_config(variant: str = "imagenet"):
    """The recipe, by variant."""
    choices = {"imagenet": _imagenet, "adam": _adam, "sample": _sample}
    return common.pick(variant, choices)()


def _counted(view: dict, **kwargs) -> dict:
    return dict(name="counted", view=view, **kwargs)


def _large(size: int, *, epochs: int, batch_size: int):
    config = common.imagenet(epochs=epochs, batch_size=batch_size)
    config.normalize = None
    centre = dict(name="center", size=size, resize_to=256)
    config.evaluate.views = _counted(centre, **STILL)
    config.method = dict(
        name="counting",
        encoder=dict(
            name="caffenet",
            response_norm=False,
            norm=None,
            output=("pooled", "conv3"),
            dtype=common.dtype(config),
        ),
        counter=dict(
            name="mlp",
            hidden=4096,
            dim=1000,
            norm=None,
            bias=True,
            init="xavier",
            dtype=common.dtype(config),
        ),
        margin=10.0,
        features="conv3",
    )
    return config


def _imagenet():
    config = _large(224, epochs=40, batch_size=256)
    crop = dict(name="fixed_crop", size=224, resize_to=256, flip=0.0)
    config.views = _counted(crop, grey=0.67)
    falls = tuple(range(10_000, 200_000, 10_000))
    config.optimizer = dict(
        name="sgd",
        learning_rate=1e-4,
        schedule=dict(name="step_decay", boundaries=falls, factor=0.9),
    )
    return config


def _adam():
    """128 images are 128 pairs, each asked both ways: 10,009 steps are an epoch."""
    config = _large(256, epochs=125, batch_size=128)
    config.views = _counted(recipes.crop(256, flip=0.0), grey=0.67, both=True)
    ref = config.get_oneway_ref
    falls = dict(name="ramp", start=1.0, end=1e-3, steps=50, delay=75)
    config.optimizer = dict(
        name="adam",
        learning_rate=1e-4,
        eps_first=True,
        schedule=dict(
            name="by_epoch", schedule=falls, steps_per_epoch=ref("steps_per_epoch")
        ),
    )
    return config


def _sample():
    config = common.drawn(epochs=40)
    config.evaluate.tasks = (recipes.classify("simclr", batch_size=256),)
    crop = recipes.crop(64, scale=(0.4, 1.0))
    config.views = _counted(crop, grey=0.67)
    config.evaluate.views = _counted(dict(name="center", size=64), **STILL)
    config.method = dict(
        name="counting",
        encoder=common.small_net(config, norm="none"),
        counter=dict(
            name="mlp",
            hidden=256,
            dim=64,
            norm=None,
            bias=True,
            dtype=common.dtype(config),
        ),
        margin=10.0,
    )
    config.optimizer = common.sample_optimizer(config, learning_rate=1e-3)
    return config
