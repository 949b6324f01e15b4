"""Exemplar-CNN. Dosovitskiy et al., 2014, arXiv:1406.6909.

Variants: `stl10` (64c5-128c5-256c5-512f, 16,000 patches of 32 pixels, batch 128, 1.56
million steps; published 72.8 %), `large` (92c5-256c5-512c5-1024f; 74.2 %), `sample`
(drawn objects in colour, minutes on a laptop).

Published numbers are of linear SVMs on all layers of whole images, pooled over their
quarters. Here a probe reads the linear layer of the image made as small as a patch: the
two are not to be compared.

    sslax pretrain --config=configs/exemplar.py --workdir=/tmp/exemplar
"""

from configs import common, recipes


def get_config(variant: str = "stl10"):
    """The recipe of the released code, by variant."""
    choices = {
        "stl10": _stl10,
        "large": lambda: _stl10(widths=(92, 256, 512), hidden=1024),
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _method(config, **encoder) -> dict:
    return dict(
        name="exemplar",
        encoder=dict(name="exemplar_net", **encoder),
        examples=config.get_oneway_ref("examples"),
    )


def _stl10(**encoder):
    """Its released epochs are 150 copies of each patch: there are 83 of them."""
    config = common.stl10(epochs=12_480, batch_size=128)
    config.data.train, config.examples = "stl10/unlabelled[:16000]", 16_000
    config.normalize = "stl10_mean"
    config.checkpoint.every = 100 * config.get_oneway_ref("steps_per_epoch")
    config.evaluate.views = recipes.center(32)
    config.views = dict(name="exemplars", patch=32, scales=4)
    config.method = _method(config, dtype=common.dtype(config), **encoder)
    config.optimizer = _by_layer(config)
    return config


def _by_layer(config) -> dict:
    """Layers have rates and decays of their own; biases twice the rate, no decay."""

    def sgd(rate: float, decay: float) -> dict:
        schedule = dict(
            name="step_decay",
            boundaries=(9600, 10560, 11520, 12000),
            values=(0.4, 0.1, 0.04, 0.01),
            unit=config.get_oneway_ref("steps_per_epoch"),
        )
        return dict(
            name="sgd", learning_rate=rate, weight_decay=decay, schedule=schedule
        )

    return dict(
        name="grouped",
        optimizer=sgd(0.01, 0.004),
        others=(
            (("rank_one",), sgd(0.02, 0.0)),
            (("conv[12]/kernel",), sgd(0.01, 0.0)),
            (("conv3/kernel",), sgd(0.01, 0.001)),
            (("classifier/",), sgd(0.0025, 0.016)),
        ),
    )


def _sample():
    config = common.drawn(epochs=40)
    config.evaluate.tasks = (recipes.classify("simclr", batch_size=256),)
    config.evaluate.views = recipes.center(32)
    config.views = dict(name="exemplars", patch=32, scales=3)
    config.method = dict(
        name="exemplar",
        encoder=common.small_net(config),
        examples=config.get_oneway_ref("examples"),
    )
    config.optimizer = common.sample_optimizer(config, learning_rate=2e-3)
    return config
