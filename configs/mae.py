"""MAE. He et al., 2021, arXiv:2111.06377.

Variants: `base` (ViT-B/16, batch 4096, 800 epochs; published fine-tuning 83.6 % and
linear probe 68.0 % at 1600), `large` (85.9 %, 75.8 %), `huge` (86.9 %, 76.6 %),
`sample` (minutes on a laptop),
`cifar10` (ViT-S/4 at 32 px, batch 256, 1000 epochs, as solo-learn has it).

    sslax pretrain --config=configs/mae.py:large --workdir=/tmp/mae
"""

from configs import common, recipes


def get_config(variant: str = "base"):
    """The official recipe, by size."""
    choices = {
        "base": lambda: _imagenet("base", 16),
        "large": lambda: _imagenet("large", 16),
        "huge": lambda: _imagenet("huge", 14),
        "cifar10": _cifar10,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


_DECODER = dict(width=512, depth=8, heads=16)


def _method(
    config, encoder: dict, patch_size: int, channels: int = 3, decoder=_DECODER
):
    return dict(
        name="mae",
        encoder=dict(
            name="mae_encoder",
            patch_size=patch_size,
            output=("tokens", "attention"),  # the second for the report
            dtype=common.dtype(config),
            **encoder,
        ),
        decoder=dict(
            name="mae_decoder",
            patch_size=patch_size,
            channels=channels,
            dtype=common.dtype(config),
            **decoder,
        ),
        patch_size=patch_size,
    )


def _imagenet(size: str, patch_size: int):
    config = common.imagenet(epochs=800, batch_size=4096, probe="mae", half=True)
    config.views = recipes.masked(224, recipes.hidden(patch_size))
    config.method = _method(config, dict(size=size), patch_size)
    config.optimizer = common.mae_adamw(
        config, common.scaled(config, 1.5e-4), warmup_epochs=40
    )
    return config


def _cifar10():
    config = common.cifar10(epochs=1000, batch_size=256)
    config.evaluate.tasks = (recipes.classify("mae", batch_size=256),)
    config.views = recipes.masked(32, recipes.hidden(4), scale=(0.08, 1.0))
    config.method = _method(config, dict(size="small"), 4)
    config.optimizer = common.mae_adamw(
        config, common.scaled(config, 2e-4), warmup_epochs=10
    )
    return config


def _sample():
    config = common.sample(epochs=60)
    config.evaluate.tasks = (recipes.classify("mae", batch_size=256),)
    config.views = recipes.masked(28, recipes.hidden(4), scale=(0.4, 1.0))
    encoder = dict(width=96, depth=4, heads=3)
    decoder = dict(width=64, depth=2, heads=4)
    config.method = _method(config, encoder, 4, channels=1, decoder=decoder)
    config.optimizer = common.mae_adamw(config, 1.5e-3, warmup_epochs=2)
    return config
