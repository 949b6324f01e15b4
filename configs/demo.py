"""The demo: SimCLR on the bundled sample of Fashion-MNIST, minutes on a laptop.

make demo
"""

from configs import simclr


def get_config():
    """The `sample` variant of SimCLR, read by kNN as it learns."""
    config = simclr.get_config("sample")
    config.checkpoint.every = 500
    config.evaluate.every = 500
    config.evaluate.online_examples = 5_000
    return config
