"""dVAE, the tokenizer of BEiT. Ramesh et al., 2021, arXiv:2102.12092, appendix A.

Variants: `dalle` (DALL-E's networks and schedules, 3 million updates, on ImageNet in
place of 250 million pictures), `simple` (the smaller form in BEiT's code, whose
training nobody has published: its temperature and its error, DALL-E's optimizer),
`sample` (a word of 4 x 4 pixels, as small transformers have patches; minutes on a
laptop).

    sslax pretrain --config=configs/dvae.py:dalle --workdir=/tmp/dvae

No number of the tokenizer alone is published. Pixels stay in [0, 1]: nothing is
normalised. What BEiT reads is the average of the weights, extra/teacher.
"""

from configs import common, recipes


def get_config(variant: str = "dalle"):
    """The recipe, by variant."""
    choices = {
        "dalle": _dalle,
        "simple": _simple,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


DALLE = dict(
    encoder=dict(name="dalle_encoder", dtype="float32"),
    decoder=dict(name="dalle_decoder", dtype="float32"),
)


def _method(nets: dict, *, cooling: int, end: float, warming: int, weight: float):
    return dict(
        name="dvae",
        temperature=dict(name="cosine", start=1.0, end=end, steps=cooling),
        kl_weight=dict(name="ramp", start=0.0, end=weight, steps=warming),
        **nets,
    )


def _dalle():
    config = _imagenet(epochs=1199, size=256)  # 3 million updates
    nets = {k: {**net, "dtype": common.dtype(config)} for k, net in DALLE.items()}
    config.method = _method(
        nets, cooling=150_000, end=1 / 16, warming=5_000, weight=6.6
    )
    config.optimizer = _adamw(steps=1_200_000)
    return config


def _simple():
    config = _imagenet(epochs=100, size=112)
    config.method = dict(
        name="dvae",
        encoder=dict(
            name="dvae_encoder", width=256, words=8192, dtype=common.dtype(config)
        ),
        decoder=dict(name="dvae_decoder", width=256, dtype=common.dtype(config)),
        temperature=0.9,
    )
    config.optimizer = _adamw(steps=config.get_oneway_ref("steps"))
    return config


def _imagenet(*, epochs: int, size: int):
    """Square crops of most of the shorter side, reduced by areas."""
    config = common.imagenet(epochs=epochs, batch_size=512)
    config.normalize = None
    crop = recipes.crop(size, scale=(0.44, 0.79), ratio=(1.0, 1.0), resize="box")
    config.views = dict(name="one_view", view=crop)
    config.evaluate.views = recipes.center(size)
    # Of 8192 words, bags are too large to be kept for all images.
    config.evaluate.tasks = (dict(name="held_out"),)
    return config


def _adamw(*, steps) -> dict:
    """The decay of biases is not said; here it is left out."""
    return dict(
        name="adamw",
        learning_rate=1e-4,
        weight_decay=1e-4,
        schedule=dict(name="warmup_cosine", steps=steps, end=0.0125),
    )


def _sample():
    """The schedules of DALL-E as parts of a short run, and the bound itself."""
    config = common.sample(epochs=10)
    config.normalize = None
    config.views = dict(name="one_view", view=recipes.sample())
    small = dict(width=16, depth=2, dtype=common.dtype(config))
    nets = dict(
        encoder=dict(name="dvae_encoder", words=128, **small),
        # Of each grey pixel the mean and the log scale.
        decoder=dict(name="dvae_decoder", code_dim=64, channels=2, **small),
    )
    ref = config.get_oneway_ref
    config.method = _method(
        nets,
        cooling=ref("steps"),
        end=1 / 16,
        warming=ref("steps_per_epoch"),
        weight=1.0,
    )
    config.method.momentum = 0.99
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config
