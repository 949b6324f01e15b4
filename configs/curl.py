"""CURL, a soft actor-critic from pixels. Laskin et al., 2020, arXiv:2004.04136.

Variants: `sample` (a small agent for a laptop), `sample_alone` (the same agent
without the contrast), `swing_up` (the released recipe on the drawn cartpole: 100
pixels, 100,000 steps of the task; published of ten seeds on DeepMind's own cartpole
swingup: 582 after 100,000 steps, 841 after 500,000).

`released` is that recipe for another environment, see docs/agents.md. Atari's agent, a
Rainbow, is left out.

    sslax pretrain --config=configs/curl.py:sample --workdir=/tmp/curl
"""

from configs import common, recipes


def get_config(variant: str = "swing_up"):
    """The recipe, by variant."""
    choices = {"swing_up": _swing_up, "sample": _sample, "sample_alone": _alone}
    return common.pick(variant, choices)()


def _on(environment: dict, *, steps: int, batch_size: int, crop: int, evaluate: int):
    """What an agent acts in, and sees: a random window in training, else the middle."""
    config = common.base(examples=1024, epochs=1, batch_size=batch_size)
    config.steps = steps
    config.data.train = dict(
        name="sslax.environments:transitions", environment=environment, length=1024
    )
    config.views = dict(name="frame_crops", size=crop)
    config.evaluate.views = recipes.center(crop, resize_to=environment["size"])
    config.feed = dict(
        name="replay", environment=environment, capacity=100_000, start=1_000
    )
    episodes = dict(name="episodes", environment=environment, count=10)
    config.evaluate.update(every=evaluate, tasks=(episodes,), online=(episodes,))
    config.checkpoint.every = evaluate
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


def released(environment: dict, *, actions: int, steps: int):
    """The released recipe.

    Args:
      environment: a call with its `size`, such as `dict(name="dm_control",
        domain="walker", task="walk", size=100, repeat=2)`.
      actions: of the environment.
      steps: of training, one for each of the agent's; nine evaluations.

    Returns:
      The config.
    """
    config = _on(
        environment, steps=steps, batch_size=128, crop=84, evaluate=max(1, steps // 9)
    )
    encoder = dict(name="curl_encoder", dim=None, dtype=common.dtype(config))
    config.method = dict(name="curl", encoder=encoder, actions=actions)
    config.optimizer = _optimizer(1e-3)
    return config


def _swing_up():
    environment = dict(name="swing_up", size=100, frames=3, repeat=8)
    return released(environment, actions=1, steps=11_250)


def _sample():
    """Smaller pictures and nets; it looks less far ahead, and so learns sooner."""
    environment = dict(name="swing_up", size=32, frames=3, repeat=8)
    config = _on(environment, steps=5_000, batch_size=64, crop=28, evaluate=1_000)
    encoder = dict(
        name="curl_encoder", width=16, layers=3, dim=None, dtype=common.dtype(config)
    )
    config.method = dict(
        name="curl",
        encoder=encoder,
        actions=1,
        hidden=128,
        discount=0.97,
        momentum=0.98,
    )
    config.optimizer = _optimizer(1e-3)
    return config


def _alone():
    config = _sample()
    config.method.contrast_every = 0
    del config.optimizer.contrast
    return config
