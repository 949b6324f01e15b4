"""CURL, a soft actor-critic from pixels. Laskin et al., 2020, arXiv:2004.04136.

Variants: `sample` (a small agent, a quarter of an hour on a laptop), `swing_up` (the
released recipe on the drawn cartpole: 100 pixels, 100,000 steps of the task; published
of ten seeds on DeepMind's own cartpole swingup: 582 after 100,000 steps, 841 after
500,000). `--config.method.contrast_every=0` with `--config.optimizer.contrast=None` is
the same agent without the contrast. Atari's agent, a Rainbow, is left out.

    sslax pretrain --config=configs/curl.py:sample --workdir=/tmp/curl
"""

from configs import common, recipes


def get_config(variant: str = "swing_up"):
    """The recipe, by variant."""
    choices = {"swing_up": _swing_up, "sample": _sample}
    return common.pick(variant, choices)()


def _on(environment: dict, *, steps: int, batch_size: int, crop: int):
    """What an agent acts in, and sees: a random window in training, else the middle."""
    config = common.base(examples=1024, epochs=1, batch_size=batch_size)
    config.steps = steps
    config.data.train = dict(
        name="sslax.environments:transitions", environment=environment, length=1024
    )
    config.views = dict(name="frame_crops", size=crop)
    config.evaluate.views = recipes.center(crop, resize_to=environment["size"])
    config.evaluate.tasks = ()
    return config


def _optimizer(rate: float) -> dict:
    """The contrast steps the encoder twice, as released."""
    adam = dict(name="adam", learning_rate=rate)
    return dict(
        critic=adam,
        actor=adam,
        temperature=dict(name="adam", learning_rate=rate / 10, b1=0.5),
        contrast=dict(name="doubled", optimizer=adam, match=("^encoder/", "^head/")),
    )


def _swing_up():
    environment = dict(name="swing_up", size=100, frames=3, repeat=8)
    config = _on(environment, steps=11_500, batch_size=128, crop=84)
    config.checkpoint.every = 2_500
    encoder = dict(name="curl_encoder", dim=None)
    config.method = dict(name="curl", encoder=encoder, actions=1)
    config.optimizer = _optimizer(1e-3)
    return config


def _sample():
    environment = dict(name="swing_up", size=40, frames=3, repeat=8)
    config = _on(environment, steps=4_000, batch_size=64, crop=34)
    config.checkpoint.every = 1_000
    encoder = dict(name="curl_encoder", width=16, layers=3, dim=None)
    config.method = dict(name="curl", encoder=encoder, actions=1, hidden=128)
    config.optimizer = _optimizer(1e-3)
    return config
