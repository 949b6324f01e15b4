"""The demo: the bundled sample of Fashion-MNIST, minutes on a laptop.

make demo
"""

from configs import common


def get_config():
    """A small net, few steps."""
    config = common.base(examples=10_000, epochs=1, batch_size=256)
    config.data.name = "fashion_mnist_sample"
    config.steps = 20
    config.log_every = 10
    config.checkpoint.every = 10
    config.evaluate.update(every=10, online=("knn",), view=dict(name="center", size=28))
    config.views = dict(
        name="two_views",
        first=dict(name="view", size=28, scale=(0.3, 1.0)),
    )
    config.method = dict(
        name="simclr",
        encoder=dict(name="convnet", widths=(8, 16)),
        hidden=64,
        dim=32,
        temperature=0.1,
    )
    config.optimizer = dict(
        name="adamw",
        learning_rate=1e-3,
        weight_decay=1e-4,
        schedule=dict(name="warmup_cosine", steps=config.get_oneway_ref("steps")),
    )
    return config
