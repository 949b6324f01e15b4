"""ConvMAE. Gao et al., 2022, arXiv:2205.03892.

Variants: `base` (batch 3072, 1600 epochs; published fine-tuning 85.0 % and linear probe
70.9 %), `sample` (minutes on a laptop).

    sslax pretrain --config=configs/convmae.py --workdir=/tmp/convmae
"""

from configs import common, recipes


def get_config(variant: str = "base"):
    """The official recipe, by size."""
    return common.pick(variant, {"base": _base, "sample": _sample})()


def _method(config, encoder: dict, decoder: dict, patch_size: int) -> dict:
    """`patch_size` is the product of the strides."""
    return dict(
        name="convmae",
        encoder=dict(
            name="convmae_encoder",
            output=("tokens", "attention"),  # the second for the report
            dtype=common.dtype(config),
            **encoder,
        ),
        decoder=dict(
            name="mae_decoder",
            patch_size=patch_size,
            class_token=False,
            dtype=common.dtype(config),
            **decoder,
        ),
        patch_size=patch_size,
    )


def _base():
    config = common.imagenet(epochs=1600, batch_size=3072, probe="mae", half=True)
    config.views = recipes.masked(224, recipes.hidden(16))
    config.method = _method(config, dict(), dict(width=512, depth=8, heads=16), 16)
    config.optimizer = common.mae_adamw(
        config, common.scaled(config, 1.5e-4), warmup_epochs=40
    )
    return config


def _sample():
    config = common.sample()
    config.evaluate.tasks = (recipes.classify("mae", batch_size=256),)
    config.views = recipes.masked(28, recipes.hidden(4), scale=(0.4, 1.0))
    encoder = dict(widths=(16, 24, 64), depths=(1, 1, 3), strides=(2, 1, 2), heads=2)
    decoder = dict(width=64, depth=1, heads=4, channels=1)
    config.method = _method(config, encoder, decoder, 4)
    config.optimizer = common.mae_adamw(config, 1.5e-3, warmup_epochs=2)
    return config
