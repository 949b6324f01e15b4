"""LocalMIM. Wang et al., 2023, arXiv:2303.05251.

Variants: `vit_base` (ViT-B/16, histograms, batch 2048, 1600 epochs; published
fine-tuning 84.0 %), `vit_large` (histograms, batch 4096, 800 epochs; 85.8 %),
`swin_base` (pixels, batch 2048, 400 epochs; 84.0 %), `swin_base_hog` (histograms;
84.1 %), `swin_large` (windows of 14, histograms, batch 4096, 800 epochs; 85.6 %),
`sample` (minutes on a laptop).

    sslax pretrain --config=configs/localmim.py:vit_large --workdir=/tmp/localmim
"""

from configs import common, recipes


def get_config(variant: str = "vit_base"):
    """The official recipe, by network and target."""
    choices = {
        "vit_base": lambda: _vit("base", depth=12, bins=9),
        "vit_large": lambda: _vit("large", depth=24, bins=18),
        "swin_base": lambda: _swin("base"),
        "swin_base_hog": lambda: _swin("base", bins=18),
        "swin_large": lambda: _swin("large", bins=18),
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _optimizer(config, base, *, warmup_epochs: int = 40, **kwargs) -> dict:
    rate = common.scaled(config, base)
    end = 1e-6 / rate  # follows the batch too
    return common.mae_adamw(
        config, rate, warmup_epochs=warmup_epochs, end=end, **kwargs
    )


def _vit(size: str, *, depth: int, bins: int):
    epochs, batch_size, base = {
        "base": (1600, 2048, 2e-4),
        "large": (800, 4096, 1.5e-4),
    }[size]
    config = common.imagenet(
        epochs=epochs, batch_size=batch_size, probe="mae", half=True
    )
    config.views = recipes.masked(224, recipes.hidden(16))
    taps = tuple(f"block{i}" for i in (1, 3, depth - 3, depth - 1))
    config.method = dict(
        name="localmim",
        encoder=dict(
            name=f"vit_{size}",
            positions="sincos",
            init="xavier",
            output=("map", *taps, "attention"),  # the last for the report
            dtype=common.dtype(config),
        ),
        decoder=dict(
            name="local_mim_decoder",
            scales=(4, 2, 1, 0.5),
            dim=3 * bins,
            width=256,
            heads=8,
            dtype=common.dtype(config),
        ),
        taps=taps,
        bins=bins,
    )
    config.optimizer = _optimizer(config, base)
    return config


def _swin(size: str, *, bins: int | None = None):
    """With `bins` of histograms, else of pixels."""
    epochs, batch_size, window = {"base": (400, 2048, 7), "large": (800, 4096, 14)}[
        size
    ]
    config = common.imagenet(
        epochs=epochs, batch_size=batch_size, probe="mae", half=True
    )
    units = dict(name="hide_units", patch_size=4, unit=32, ratio=0.75)
    config.views = recipes.masked(224, dict(name="hide_alike", mask=units))
    taps, cells = ("merged1", "merged2", "merged3", "stage4"), (8, 16, 32, 32)
    pixels = tuple(3 * cell**2 for cell in cells)
    config.method = dict(
        name="localmim",
        encoder=dict(
            name=f"swin_{size}",
            window_size=window,
            masked="hidden",
            norm_eps=1e-6,
            output=("map", *taps, "attention"),
            remat=size == "large",
            dtype=common.dtype(config),
        ),
        decoder=dict(
            name="local_mim_decoder",
            scales=(1, 1, 1, 1),
            dim=pixels if bins is None else 3 * bins,
            width=(64, 128, 128, 128),
            heads=4,
            class_token=False,
            dtype=common.dtype(config),
        ),
        taps=taps,
        cells=cells,
        patch_size=4,
        **(dict(target="pixels") if bins is None else dict(bins=bins)),
    )
    tables = ("rank_one", "relative", "mask_token")
    config.optimizer = _optimizer(config, 1e-4, exclude=tables)
    return config


def _sample():
    """The bundled images at 32 pixels: three scales of histograms."""
    config = common.sample(epochs=60)
    config.evaluate.tasks = (recipes.classify("mae", batch_size=256),)
    config.evaluate.views = recipes.center(32)
    config.views = recipes.masked(32, recipes.hidden(4), scale=(0.4, 1.0))
    taps = ("block0", "block1", "block3")
    config.method = dict(
        name="localmim",
        encoder=dict(
            name="vit",
            width=96,
            depth=4,
            heads=3,
            patch_size=4,
            positions="sincos",
            init="xavier",
            output=("map", *taps, "attention"),
            dtype=common.dtype(config),
        ),
        decoder=dict(
            name="local_mim_decoder",
            scales=(2, 1, 0.5),
            dim=9,
            width=64,
            heads=4,
            dtype=common.dtype(config),
        ),
        taps=taps,
        cells=(2, 4, 8),
        patch_size=4,
    )
    config.optimizer = _optimizer(config, 3e-3, warmup_epochs=2)
    return config
