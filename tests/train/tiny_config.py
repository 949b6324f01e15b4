"""A run of seconds: SimCLR on drawn shapes of 16 pixels."""

from configs import common, recipes


def get_config():
    config = common.base(examples=64, epochs=3, batch_size=16)
    config.data.train = dict(name="synthetic", size=16, length=64)
    config.log_every = 2
    config.checkpoint.every = 2
    config.evaluate.update(
        every=4,
        final=False,
        online_examples=32,
        batch_size=16,
        views=recipes.center(16),
        tasks=(recipes.classify("simclr", k=5),),
        online=(dict(name="knn", k=5),),
    )
    config.views = dict(name="two_views", first=dict(name="view", size=16))
    config.method = dict(
        name="simclr",
        encoder=dict(name="convnet", widths=(4, 8)),
        hidden=8,
        dim=4,
        temperature=0.5,
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=0.1,
        schedule=dict(name="warmup_cosine", steps=config.get_oneway_ref("steps")),
    )
    return config
