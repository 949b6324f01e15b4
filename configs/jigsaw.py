"""Jigsaw puzzles (CFN). Noroozi and Favaro, 2016, arXiv:1603.09246.

Variants: `imagenet` (the context-free network, 1000 permutations, batch 256, 70 epochs;
published linear probe of conv4 33.9 %, pretext accuracy 71 %),
`resnet50` (VISSL's of 105 epochs: codes of 1000 numbers, 100 permutations; 48.57 %),
`sample` (minutes on a laptop).

Views, grey images and the normalisation of each tile are the paper's, jitter of the
colours and the optimizer are the released code's. What is evaluated is the fourth
convolution, by tile; the paper reads it of whole images.

    sslax pretrain --config=configs/jigsaw.py:sample --workdir=/tmp/jigsaw
"""

from configs import common, recipes


def get_config(variant: str = "imagenet"):
    """The recipe, by variant."""
    choices = {"imagenet": _imagenet, "resnet50": _resnet50, "sample": _sample}
    return common.pick(variant, choices)()


def _cut(config, view: dict, center: dict, *, tile: int, permutations: int, **kwargs):
    """Puzzles of a view, and tiles of the centre; they have statistics of their own."""
    config.normalize = None
    config.views = dict(
        name="jigsaw", view=view, tile=tile, permutations=permutations, **kwargs
    )
    tiled = dict(name="tiled", view=dict(name="center", **center), tile=tile)
    config.evaluate.views = tiled


def _method(encoder: dict, classifier: dict, *, permutations: int, **kwargs) -> dict:
    return dict(
        name="jigsaw",
        encoder=encoder,
        classifier=classifier,
        permutations=permutations,
        **kwargs,
    )


def _imagenet():
    config = common.imagenet(epochs=70, batch_size=256)
    crop = recipes.square(225, resize_to=256, flip=0.0)
    cut = dict(tile=64, permutations=1000)
    _cut(config, crop, dict(size=225, resize_to=256), **cut)
    plain = dict(norm=None, dropout=0.5, init="gauss", dtype=common.dtype(config))
    encoder = dict(
        name="caffenet",
        hidden=1024,
        stride=2,
        padding=0,
        groups=2,
        output=("pooled", "conv1", "conv2", "conv3", "conv4", "conv5"),
        **plain,
    )
    classifier = dict(name="caffenet_head", dim=1000, hidden=(4096,), **plain)
    config.method = _method(encoder, classifier, permutations=1000, features="conv4")
    ref = config.get_oneway_ref
    # 100, 200 and 300 thousand steps of 256 images.
    schedule = dict(
        name="step_decay",
        boundaries=(20, 40, 60),
        factor=0.1,
        unit=ref("steps_per_epoch"),
    )
    sgd = dict(name="sgd", schedule=schedule)
    biases = {**sgd, "learning_rate": 0.02}
    config.optimizer = dict(
        name="grouped",
        optimizer={**sgd, "learning_rate": 0.01, "weight_decay": 5e-4},
        others=((("bias",), biases),),
    )
    return config


def _resnet50():
    config = common.imagenet(epochs=105, batch_size=256)
    crop = recipes.square(255, resize_to=256)
    cut = dict(tile=64, permutations=100, jitter=0, grey=0.66)
    _cut(config, crop, dict(size=255, resize_to=256), **cut)
    config.method = _method(
        dict(name="resnet50", dtype=common.dtype(config)),
        dict(name="linear", dim=100, dtype=common.dtype(config)),
        projector=dict(
            name="mlp",
            hidden=1000,
            depth=2,
            bias=True,
            output="hidden1",
            dtype=common.dtype(config),
        ),
        permutations=100,
    )
    config.warmup_epochs = 5
    ref = config.get_oneway_ref
    per_epoch = ref("steps_per_epoch")
    falling = dict(
        name="step_decay", boundaries=(30, 60, 90, 100), factor=0.1, unit=per_epoch
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=common.scaled(config, 0.1),
        weight_decay=1e-4,
        exclude=("bn",),
        schedule=dict(
            name="warmed_up",
            schedule=falling,
            steps=ref("warmup_epochs") * per_epoch,
            start=0.25,
        ),
    )
    return config


def _sample():
    """Pictures are enlarged, so that a tile has 10 of the 12 pixels of its cell."""
    config = common.sample()
    crop = recipes.crop(36, scale=(0.6, 1.0), flip=0.0)
    _cut(config, crop, dict(size=36), tile=10, permutations=100, jitter=0)
    encoder = dict(
        name="convnet",
        widths=(32, 64),
        strides=(2, 2),
        norm="none",
        output=("flat", "map"),
        dtype=common.dtype(config),
    )
    classifier = dict(
        name="mlp",
        hidden=256,
        dim=100,
        norm=None,
        bias=True,
        dtype=common.dtype(config),
    )
    config.method = _method(encoder, classifier, permutations=100, features="map")
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config
