"""The demo: SimCLR on the bundled sample of Fashion-MNIST, minutes on a laptop.

    make demo

Why these choices, each measured on the sample: plain strided convolutions as matrix
products are what two cores do fastest. The features are the flattened last map, since
garments are centred and where things are tells them apart: averaged over the map they
are several points worse. Crops keep at least 40 % of the area and colours change
little, as shape is all there is in small grey images.
"""

from configs import common, recipes


def get_config():
    """Three convolutions, batch 128, AdamW."""
    config = common.base(examples=10_000, epochs=20, batch_size=128)
    config.data.train = "fashion_mnist_sample/train"
    config.normalize = "fashion_mnist"
    config.log_every = 50
    config.checkpoint.every = 500
    config.evaluate.update(
        every=500,
        online_examples=5_000,
        views=recipes.center(28),
    )
    view = recipes.crop(28, scale=(0.4, 1.0), jitter=(0.4, 0.4, 0.0, 0.0))
    config.views = dict(name="two_views", first=view)
    config.method = dict(
        name="simclr",
        encoder=dict(
            name="convnet", widths=(32, 64, 128), strides=(2, 2, 2), output="flat"
        ),
        hidden=256,
        dim=128,
        temperature=0.2,
    )
    config.optimizer = dict(
        name="adamw",
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule=common.warmup_cosine(config, warmup_epochs=1),
    )
    return config
