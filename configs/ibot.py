"""iBOT. Zhou et al., 2021, arXiv:2111.07832.

Variants: `sample` (minutes on a laptop),
`small` (ViT-S/16, two crops of 224 and ten of 96 pixels, batch 1024, 800 epochs;
published kNN 75.2 %, linear probe 77.9 %, fine-tuning 82.3 %),
`base` (400 epochs, masks in blocks; 77.1, 79.5 and 84.0 %),
`base_rand` (masks at random; 77.3, 79.8 and 84.1 %),
`large` (250 epochs; 78.0, 81.0 and 84.8 %), `large_rand` (77.7, 81.3 and 85.0 %),
`swin7` (Swin-T, windows of 7, 300 epochs; kNN 75.3 %, linear probe 78.6 %),
`swin14` (windows of 14; 76.2 and 79.3 %).
The released command of ViT-S gives what is not said of the larger ones.

    sslax pretrain --config=configs/ibot.py:base --workdir=/tmp/ibot
"""

from configs import common, recipes


def get_config(variant: str = "small"):
    """The official recipe, by size."""
    choices = {
        "small": lambda: _vit("small", epochs=800),
        "base": lambda: _vit("base", epochs=400, clip=0.3),
        "base_rand": lambda: _vit("base", epochs=400, clip=0.3, hide=_AT_RANDOM),
        "large": lambda: _vit("large", epochs=250, clip=0.3),
        "large_rand": lambda: _vit("large", epochs=250, clip=0.3, hide=_AT_RANDOM),
        "swin7": lambda: _swin(7),
        "swin14": lambda: _swin(14),
        "sample": _sample,
    }
    return common.pick(variant, choices)()


# Half of the large crops stay whole, of the others 10 to 50 % is hidden.
_RATIOS = dict(ratios=(0.0, 0.3), spread=(0.0, 0.2))
_IN_BLOCKS = dict(name="hide_blocks", count=None, **_RATIOS)
_AT_RANDOM = dict(name="hide_some", **_RATIOS)


def _imagenet(encoder: dict, *, epochs: int, clip: float, hide: dict, rest: int = 0):
    """`rest` is how many epochs go by before anything is hidden."""
    config = common.imagenet(epochs=epochs, batch_size=1024, probe="dino", half=True)
    config.views = dict(
        name="masked_crops",
        crops=recipes.dino(
            224, small=96, count=10, scale=(0.25, 1.0), parts=(0.05, 0.25)
        ),
        mask=hide,
    )
    config.method = dict(
        name="ibot",
        encoder=dict(encoder, drop_path=0.1, dtype=common.dtype(config)),
        dim=8192,
        momentum=common.moving(config, start=0.996, end=1.0),
        teacher_temperature=common.warming(config, epochs=30),
        patch_temperature=common.warming(config, epochs=30, delay=rest),
        masked_from=rest * config.get_oneway_ref("steps_per_epoch"),
    )
    tx = dict(
        name="adamw",
        learning_rate=common.scaled(config, 5e-4),
        weight_decay=common.moving(config, start=0.04, end=0.4),
        schedule=common.warmup_cosine(
            config, warmup_epochs=10, end=1e-6 / 2e-3, inclusive=True
        ),
    )
    config.optimizer = common.resting(config, tx, clip=clip)
    return config


def _vit(size: str, *, epochs: int, clip: float = 3.0, hide=_IN_BLOCKS):
    encoder = dict(
        name=f"vit_{size}",
        patch_size=16,
        mask_token=True,
        resize="factor",
        output=("pooled", "map", "attention"),  # the last for the report
        remat=size == "large",  # a chip of 16 GiB holds its blocks' inputs alone
    )
    hide = dict(hide, patch_size=16)
    return _imagenet(encoder, epochs=epochs, clip=clip, hide=hide)


def _swin(window: int):
    """Patches of the last stage are hidden, and none in the first 50 epochs."""
    encoder = dict(
        name="swin_tiny",
        window_size=window,
        image_size=224,
        masked="token",
        norm_eps=1e-6,
        output=("pooled", "map"),
    )
    hide = dict(_IN_BLOCKS, patch_size=4, unit=32)
    return _imagenet(encoder, epochs=300, clip=3.0, hide=hide, rest=50)


def _sample():
    config = common.sample()
    config.views = dict(
        name="masked_crops",
        crops=recipes.sample_crops(count=2),
        mask=dict(_IN_BLOCKS, patch_size=4),
    )
    config.method = dict(
        name="ibot",
        encoder=dict(
            name="vit",
            width=48,
            depth=3,
            heads=3,
            patch_size=4,
            mask_token=True,
            resize="factor",
            output=("pooled", "map", "attention"),
            dtype=common.dtype(config),
        ),
        dim=64,
        hidden=64,
        bottleneck=16,
        momentum=common.moving(config, start=0.99, end=1.0),
        teacher_temperature=0.04,
        patch_temperature=0.04,
    )
    tx = common.sample_optimizer(config, learning_rate=1e-3)
    config.optimizer = common.resting(config, tx)
    return config
