"""Context prediction. Doersch et al., 2015, arXiv:1505.05192.

Variants: `imagenet` (CaffeNet with batch norm without scale, 3 x 3 patches of 96
pixels with gaps of 48, a million steps; published detection on VOC 2007 51.4 %, linear
probe of conv4 31.7 %), `projection` (colours are projected instead of dropped),
`sample` (drawn objects in colour, minutes on a laptop).

The released code cuts all patches that an image of 150,000 to 450,000 pixels holds.
Here it is a square of 400 pixels of it, which holds 3 x 3, and 40 pairs: 64 images are
as many patches a step. Its rate of 1e-5 is for the sum over pairs. Probes read the mean
of each patch, where those of the papers read whole images with the tower.

    sslax pretrain --config=configs/context_prediction.py --workdir=/tmp/context
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe of the released code, by variant."""
    choices = {
        "imagenet": _imagenet,
        "projection": lambda: _imagenet(colours="project"),
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _pairs(view: dict, **kwargs) -> dict:
    return dict(name="context_pairs", view=view, **kwargs)


def _still(patch: int, **kwargs) -> dict:
    """Patches of the centre side by side, as they are."""
    still = dict(gap=0, jitter=0, pixelate=0.0, colours="keep")
    centre = dict(name="center", size=3 * patch)
    return _pairs(centre, patch=patch, **still, **kwargs)


def _square(size: int, *, part: float) -> dict:
    return recipes.crop(size, scale=(part, 1.0), ratio=(1.0, 1.0), flip=0.0)


def _imagenet(**kwargs):
    config = common.imagenet(epochs=50, batch_size=64)
    config.normalize = None
    square = _square(400, part=400**2 / 450_000)
    config.views = _pairs(square, patch=96, gap=48, jitter=7, **kwargs)
    config.evaluate.views = _still(96)
    encoder = dict(
        name="caffenet", output=("pooled", "conv4"), dtype=common.dtype(config)
    )
    config.method = dict(
        name="context_prediction",
        encoder=encoder,
        head=dict(name="caffenet_head", dim=8, dtype=common.dtype(config)),
        features="conv4",
    )
    pairs = 40 * config.get_oneway_ref("batch_size")
    config.optimizer = dict(name="sgd", learning_rate=1e-5 * pairs, momentum=0.0)
    return config


def _sample():
    config = common.drawn(epochs=40)
    config.evaluate.tasks = (recipes.classify("simclr", batch_size=256),)
    square = _square(64, part=0.5)
    config.views = _pairs(square, patch=16, gap=6, jitter=2, level=1.0)
    config.evaluate.views = _still(16, level=1.0)
    config.method = dict(
        name="context_prediction",
        encoder=common.small_net(config),
        head=dict(
            name="caffenet_head", dim=8, hidden=(256, 256), dtype=common.dtype(config)
        ),
    )
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config
