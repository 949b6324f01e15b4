"""Evolving losses for video (ELo). Piergiovanni et al., 2020, arXiv:2002.12177.

Variants: `sample` (drawn shapes that move, with sound, for a laptop; not run to its end
yet), `search` (a member of the search for weights, `python -m experiments.evolve`),
`youtube8m` ((2+1)-D ResNet-50, ResNet-50 for sound; with the weights that the authors
found, k-means of the features has 43.4 % of HMDB51, one layer 64.5 %, fine-tuning 67.4
%; of a random network 15.7, 17.8 and 35.2 %).

The paper's weights were never published: these start at 1 each, which it found to do
poorly. Others are given by --config.method.weights, 40 numbers in [0, 1]. Nor were its
clips, sizes of heads and optimizer: 16 frames of 112 pixels are those of the (2+1)-D
ResNets' own paper. Drawn clips stand for the 2 million of YouTube-8M, to plan with; a
folder of videos, see docs/data.md, takes their place.

    sslax pretrain --config=configs/evolving.py:sample --workdir=/tmp/evolving
    sslax prepare clips:/videos
    sslax pretrain --config=configs/evolving.py --workdir=/tmp/videos \
        --config.data.train=clips:/videos --config.examples=52000
"""

from configs import common, recipes


def get_config(variant: str = "youtube8m"):
    """The recipe, by variant."""
    choices = {"youtube8m": _youtube8m, "sample": _sample, "search": _search}
    return common.pick(variant, choices)()


def _method(video: dict, sound: dict, decoder: dict, **kwargs) -> dict:
    """One network for each modality, those of pictures alike."""
    depths = ("layer2", "layer3", "layer4", "pooled")
    given = dict(output=("pooled", *depths[:-1]))
    return dict(
        name="evolving",
        encoder=dict(**video, **given),
        flow=dict(**video, **given),
        grey=dict(**video, **given),
        sound=dict(**sound, **given),
        decoder=decoder,
        depths=depths,
        **kwargs,
    )


def _youtube8m():
    config = common.base(examples=2_000_000, epochs=2, batch_size=256)
    config.dtype = "bfloat16"
    config.data.train = dict(
        name="moving_shapes", size=128, frames=20, mels=64, length=2_000_000
    )
    # About how loud and how varied the log-mel spectra of videos are.
    spectra = (-4.0, 4.5)
    config.views = recipes.clip(112, frames=16, ahead=4, reach=10.0, sound=spectra)
    config.evaluate.views = dict(name="middle_clip", size=112, frames=16)
    config.method = _method(
        dict(name="video_resnet", depth=50, dtype=common.dtype(config)),
        dict(name="resnet50", dtype=common.dtype(config)),
        dict(name="clip_decoder", width=64, stages=4, dtype=common.dtype(config)),
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.1,
        weight_decay=1e-4,
        exclude="rank_one",
        schedule=common.warmup_cosine(config, warmup_epochs=0),
    )
    return config


def _sample():
    config = common.base(examples=1024, epochs=8, batch_size=32)
    config.data.train = dict(
        name="moving_shapes", size=24, frames=10, mels=16, silent=0.1, length=1024
    )
    config.log_every = 16
    config.views = recipes.clip(20, frames=6, ahead=2, reach=2.5)
    config.evaluate.views = dict(name="middle_clip", size=20, frames=6)
    config.method = _method(
        dict(name="video_resnet", depth=10, width=0.125, dtype=common.dtype(config)),
        dict(name="resnet18", width=0.125, dtype=common.dtype(config)),
        dict(name="clip_decoder", width=32, stages=2, dtype=common.dtype(config)),
        hidden=64,
    )
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config


def _search():
    """As small as all tasks and modalities can be; what is seen follows Zipf's law.

    The fitness of weights asks for such clusters, and motions as frequent as each other
    would have none.
    """
    config = common.base(examples=512, epochs=4, batch_size=16)
    drawn = dict(name="moving_shapes", size=14, frames=10, mels=16)
    config.data.train = dict(**drawn, skew=1.0, silent=0.1, length=512)
    config.data.test = dict(**drawn, split="test", length=1024)
    config.log_every = 16
    config.views = recipes.clip(12, frames=6, ahead=2, reach=1.5)
    config.evaluate.views = dict(name="middle_clip", size=12, frames=6)
    config.evaluate.held_out = dict(**drawn, split="held_out", skew=1.0, length=512)
    config.method = _method(
        dict(name="video_resnet", depth=10, width=0.0625, dtype=common.dtype(config)),
        dict(name="resnet18", width=0.0625, dtype=common.dtype(config)),
        dict(name="clip_decoder", width=16, stages=2, dtype=common.dtype(config)),
        hidden=32,
    )
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config
