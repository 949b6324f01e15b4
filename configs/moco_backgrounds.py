"""Background augmentation. Ryali, Schwab and Morcos, 2021, arXiv:2103.12719.

Variants: `imagenet` (MoCo v2, 220 epochs, keys on other backgrounds and a negative on
the query's own; the paper gives it one to two points over MoCo v2),
`removed` and `random` (MoCo v2 whose views have a grey background, or that of another
image, now and then), `byol`, `simclr` and `swav` (the same with other backgrounds in
their recipes), `sample` (drawn shapes before the ground of their class, minutes on a
laptop), `sample_plain`, `sample_removed`, `sample_random` (what to compare it with).

    sslax pretrain --config=configs/moco_backgrounds.py:sample --workdir=/tmp/grounds

The foreground is what stands out, by spectral saliency, inside the step; the paper has
masks of a detector. With files of masks, yours or those that
`sslax prepare folder:/pets --foreground=/pets_masks` writes of what stands out:

    sslax pretrain --config=configs/moco_backgrounds.py --workdir=/tmp/grounds
        --config.data.train="{'name': 'with_foreground', 'path': '/pets_masks',
        'of': {'name': 'folder', 'path': '/pets'}}" --config.views.foreground=data
"""

from configs import byol, common, moco, recipes, simclr, swav

# Of the drawn shapes, whose grounds mislead far more than those of photographs.
OFTEN = 0.5


def get_config(variant: str = "imagenet"):
    """The recipe of a host with other backgrounds, by variant."""
    choices = {
        "imagenet": _imagenet,
        "removed": lambda: _other(_moco(), "remove", 0.1),
        "random": lambda: _other(_moco(), "random", 0.2),
        "byol": lambda: _other(byol.get_config("imagenet"), "random", 0.2),
        "simclr": lambda: _other(simclr.get_config("imagenet"), "random", 0.2),
        "swav": lambda: _other(swav.get_config("imagenet"), "random", 0.2),
        "sample": _sample,
        "sample_plain": _plain,
        "sample_removed": lambda: _other(_plain(), "remove", OFTEN, "data"),
        "sample_random": lambda: _other(_plain(), "random", OFTEN, "data"),
    }
    return common.pick(variant, choices)()


def _moco():
    config = moco.get_config("imagenet")
    config.epochs = 220
    return config


def _other(config, replace: str, probability: float, foreground: str = "saliency"):
    """The views of a host, of images whose background is another now and then."""
    then, config.views = config.views, {}
    config.views = dict(
        name="background",
        then=then.to_dict(),
        replace=replace,
        probability=probability,
        foreground=foreground,
    )
    return config


def _swapped(config, probability: float, foreground: str):
    """MoCo's view for the query, the key on another ground, and a negative."""
    first, config.views = config.views.first, {}
    config.views = dict(
        name="swapped_backgrounds",
        first=first.to_dict(),
        probability=probability,
        negative=probability,
        foreground=foreground,
    )
    config.method.name = "moco_backgrounds"
    return config


def _imagenet():
    return _swapped(_moco(), 0.2, "saliency")


def _plain():
    """MoCo on shapes whose grounds tell their class as well as they do."""
    config = common.drawn(epochs=10)
    config.data.train = dict(name="habitats", size=32, length=4096)
    config.data.test = dict(name="habitats", split="test", size=32)
    config.examples = 4096
    classify = recipes.classify("simclr", batch_size=256)
    config.evaluate.tasks = (classify, dict(name="background_gap"))
    config.evaluate.views = recipes.center(32)
    view = recipes.crop(32, scale=(0.3, 1.0), jitter=(0.4, 0.4, 0.2, 0.1))
    config.views = dict(name="two_views", first=view)
    config.method = dict(
        name="moco",
        encoder=common.small_net(config, bn_groups=2),
        hidden=256,
        dim=128,
        queue_size=2048,
        momentum=0.99,
        temperature=0.2,
    )
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config


def _sample():
    return _swapped(_plain(), OFTEN, "data")
