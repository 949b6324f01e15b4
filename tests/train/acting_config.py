"""An agent of seconds: CURL in a swing-up of 16 pixels and ten steps an episode."""

from configs import common, recipes


def get_config():
    environment = dict(name="swing_up", size=16, frames=2, repeat=100)
    config = common.base(examples=16, epochs=1, batch_size=8)
    config.steps = 8
    config.data.train = dict(
        name="sslax.environments:transitions", environment=environment, length=16
    )
    config.feed = dict(name="replay", environment=environment, capacity=40, start=25)
    episodes = dict(name="episodes", environment=environment, count=2)
    config.log_every = 2
    config.checkpoint.every = 2
    config.evaluate.update(
        every=4,
        batch_size=16,
        views=recipes.center(14, resize_to=16),
        tasks=(episodes,),
        online=(episodes,),
    )
    config.views = dict(name="frame_crops", size=14)
    config.method = dict(
        name="curl",
        encoder=dict(name="curl_encoder", width=6, layers=1, dim=None),
        actions=1,
        dim=4,
        hidden=8,
    )
    config.optimizer = dict(name="adam", learning_rate=1e-3)
    return config
