"""Contrastive predictive coding (CPC). van den Oord et al., 2018, arXiv:1807.03748.

Variants: `sample` (minutes on a laptop), `rows` (the same with the rows of an image as
a sequence, and the recurrent context that the paper has for sequences),
`imagenet` (ResNet-v2-101 to its third stage, 7 x 7 grey patches of 64 pixels, batch
512; published linear probe 48.7 %; the paper says neither how long nor which statistics
and has the other patches of 16 images for negatives, here those of the batch are),
`stl10` (Greedy InfoMax's: ResNet-50 to its third stage, 16 drawn negatives, batch 32,
300 epochs; published linear probe 80.5 %).

    sslax pretrain --config=configs/cpc.py --workdir=/tmp/cpc
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the paper, by variant."""
    choices = {
        "imagenet": _imagenet,
        "stl10": _stl10,
        "sample": _sample,
        "rows": _rows,
    }
    return common.pick(variant, choices)()


def _method(
    config, encoder: dict, *, layers: int = 4, steps: int = 5, negatives=None
) -> dict:
    return dict(
        name="cpc",
        encoder={**encoder, "dtype": common.dtype(config)},
        context=dict(name="pixel_cnn", layers=layers, dtype=common.dtype(config)),
        steps=steps,
        skip=1,
        negatives=negatives,
    )


def _imagenet():
    """Training crops have 256 of the 300 pixels that an image's side is made."""
    config = common.imagenet(epochs=200, batch_size=512, probe="cpc")
    part, cut = (256 / 300) ** 2, dict(size=64, stride=32, each=recipes.GREY)
    crop = recipes.crop(256, scale=(part, part), ratio=(1.0, 1.0))
    config.views = recipes.patches(crop, window=60, **cut)
    centre = dict(name="center", size=256, resize_to=300)
    config.evaluate.views = recipes.patches(centre, **cut)
    config.method = _method(config, dict(name="preact_resnet"))
    config.optimizer = dict(name="adam", learning_rate=2e-4)
    return config


def _stl10():
    """Crops keep the pixels as they are; patches are not cut again."""
    config = common.stl10(epochs=300, batch_size=32)
    config.normalize = "stl10_grey"
    part, cut = (64 / 96) ** 2, dict(size=16, stride=8, each=recipes.GREY)
    crop = recipes.crop(64, scale=(part, part), ratio=(1.0, 1.0))
    config.views = recipes.patches(crop, **cut)
    centre = dict(name="center", size=64, resize_to=96)
    config.evaluate.views = recipes.patches(centre, **cut)
    encoder = dict(name="preact_resnet", stages=(3, 4, 6), stem="small")
    config.method = _method(config, encoder, negatives=16)
    config.optimizer = dict(name="adam", learning_rate=2e-4)
    return config


def _sample():
    """Six rows of patches, of which three are told from the first two."""
    config = common.sample(epochs=10, batch_size=64)
    cut = dict(size=8, stride=4)
    config.views = recipes.patches(recipes.sample(), window=7, **cut)
    config.evaluate.views = recipes.patches(dict(name="center", size=28), **cut)
    encoder = dict(name="convnet", widths=(32, 64), strides=(2, 2), norm="none")
    config.method = _method(config, encoder, layers=2, steps=3)
    config.optimizer = common.sample_optimizer(config, learning_rate=1e-3)
    return config


def _rows():
    """Seven rows of four pixels; three are told from those above them."""
    config = _sample()
    config.views = dict(name="image_rows", view=recipes.sample(), height=4)
    config.evaluate.views = dict(
        name="image_rows", view=dict(name="center", size=28), height=4
    )
    config.method.context = dict(
        name="gru_context", width=64, dtype=common.dtype(config)
    )
    config.method.skip = 0
    return config
