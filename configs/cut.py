"""CUT, contrastive unpaired translation. Park et al., 2020, arXiv:2007.15651.

Variants: `cut` (horses into zebras, 256 pixels, 200 epochs and 200 while the rate
falls; published FID 45.5), `fastcut` (no identity term, images and features turned, ten
times the contrast, 150 epochs and 50; 73.4), `sample` (drawn scenes, from day to night,
at 32 pixels, with an average of the generator, for a laptop; one of its ten epochs was
measured, see experiments/README.md).

The released code also stops to enlarge images before the crop while the rate falls; the
crops here stay as they are. Two folders of your own:

    sslax pretrain --config=configs/cut.py:cut --workdir=/tmp/cut
        --config.data.train.first=folder:/a --config.data.train.second=folder:/b
        --config.data.canvas=286 --config.examples=1334
"""

from configs import common, recipes

_TAPS = ("padded", "down1", "down2", "block1")


def get_config(variant: str = "cut"):
    """The recipe of the released code, by variant."""
    choices = {"cut": _cut, "fastcut": _fastcut, "sample": _sample}
    return common.pick(variant, choices)()


def _domains(config, size: int, *, resize_to: int, flipped: float = 0.0) -> None:
    """A crop of an image of each domain; the centre of the first's to look at."""
    view = recipes.square(size, resize_to=resize_to, stretch=True, resize="bicubic")
    config.normalize = "half"
    config.views = dict(name="two_domains", first=view, flipped=flipped)
    config.evaluate.views = recipes.center(size)
    # There are no classes: what is read are features, and pictures.
    config.evaluate.tasks = (dict(name="classify"),)


def _method(config, *, width: int, blocks: int, last: str, **options) -> dict:
    taps = (*_TAPS, last)
    return dict(
        name="cut",
        generator=dict(
            name="resnet_generator",
            width=width,
            blocks=blocks,
            output=("image", *taps),
            dtype=common.dtype(config),
        ),
        discriminator=dict(
            name="patch_discriminator", width=width, dtype=common.dtype(config)
        ),
        heads=dict(name="patch_heads", dtype=common.dtype(config)),
        taps=taps,
        **options,
    )


def _adam(config, rate: float, *, constant: int, falling: int) -> dict:
    """The same rate for some epochs, then on a line to 0."""
    line = dict(name="ramp", start=1.0, end=0.0, steps=falling + 1, delay=constant - 1)
    return dict(
        name="adam",
        learning_rate=rate,
        b1=0.5,
        schedule=dict(
            name="by_epoch",
            schedule=line,
            steps_per_epoch=config.get_oneway_ref("steps_per_epoch"),
        ),
    )


def _large(*, constant: int, falling: int, flipped: float, **options):
    config = common.base(examples=1334, epochs=constant + falling, batch_size=1)
    horses, zebras = (
        {
            split: dict(name="tfds", set="cycle_gan/horse2zebra", split=split + side)
            for split in ("train", "test")
        }
        for side in "AB"
    )
    for split in ("train", "test"):
        pair = dict(name="unpaired", first=horses[split], second=zebras[split])
        config.data[split] = pair
    config.data.canvas = 256
    config.checkpoint.every = 5 * config.get_oneway_ref("steps_per_epoch")
    _domains(config, 256, resize_to=286, flipped=flipped)
    config.method = _method(config, width=64, blocks=9, last="block5", **options)
    config.optimizer = _adam(config, 2e-4, constant=constant, falling=falling)
    return config


def _cut():
    return _large(constant=200, falling=200, flipped=0.0)


def _fastcut():
    options = dict(identity=False, weight=10.0)
    return _large(constant=150, falling=50, flipped=0.5, **options)


def _sample():
    config = common.base(examples=1024, epochs=10, batch_size=4)
    for split in ("train", "test"):
        day, night = (
            dict(name="lit_shapes", look=look, split=split, size=32, seed=seed)
            for look, seed in (("day", 0), ("night", 1))
        )
        config.data[split] = dict(name="unpaired", first=day, second=night)
    config.log_every = 64
    _domains(config, 32, resize_to=36)
    options = dict(patches=64, momentum=0.99)
    config.method = _method(config, width=16, blocks=3, last="block3", **options)
    config.method.discriminator.layers = 2
    config.optimizer = _adam(config, 4e-4, constant=5, falling=5)
    return config
