"""SimMIM. Xie et al., 2021, arXiv:2111.09886.

Variants: `swin_base` (Swin-B at 192 pixels, batch 2048, 100 epochs; published
fine-tuning 82.8 % at 192 pixels and 83.5 % at 224), `swin_base_800` (800 epochs;
84.0 %), `swin_large` (800 epochs; 85.4 %), `vit_base` (ViT-B/16 at 224 pixels,
800 epochs; 83.8 %),
`sample` (minutes on a laptop).

    sslax pretrain --config=configs/simmim.py:swin_base_800 --workdir=/tmp/simmim
"""

from configs import common, recipes

UNIT, RATIO = 32, 0.6


def get_config(variant: str = "swin_base"):
    """The official recipe, by network and length."""
    choices = {
        "swin_base": lambda: _swin("base", window=6, epochs=100),
        "swin_base_800": lambda: _swin("base", window=6, epochs=800),
        "swin_large": lambda: _swin("large", window=12, epochs=800),
        "vit_base": _vit,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _masked(size: int, patch_size: int, *, unit: int = UNIT) -> dict:
    return dict(
        name="masked",
        view=recipes.crop(size, scale=(0.67, 1.0)),
        mask=dict(name="hide_units", patch_size=patch_size, unit=unit, ratio=RATIO),
    )


def _method(
    config, encoder: dict, patch_size: int, *, stride: int, channels: int = 3
) -> dict:
    return dict(
        name="simmim",
        encoder=dict(
            patch_size=patch_size,
            output=("map", "attention"),  # the second for the report
            dtype=common.dtype(config),
            **encoder,
        ),
        decoder=dict(
            name="simmim_decoder",
            patch_size=stride,
            channels=channels,
            dtype=common.dtype(config),
        ),
        patch_size=patch_size,
    )


def _imagenet(size: int, *, epochs: int):
    config = common.imagenet(epochs=epochs, batch_size=2048, probe="mae", half=True)
    config.evaluate.views = recipes.center(size, resize_to=round(size * 256 / 224))
    return config


def _swin(size: str, *, window: int, epochs: int):
    config = _imagenet(192, epochs=epochs)
    config.views = _masked(192, 4)
    encoder = dict(name=f"swin_{size}", window_size=window, masked="token")
    config.method = _method(config, encoder, 4, stride=32)
    # Tables of relative positions are decayed, as the code has it.
    base, tail = (2e-4, _cosine(config)) if epochs == 100 else (1e-4, _stair(config))
    config.optimizer = _optimizer(
        config,
        rate=common.scaled(config, base, per=512),
        tail=tail,
        exclude=("rank_one", "mask_token"),
    )
    return config


def _vit():
    config = _imagenet(224, epochs=800)
    config.views = _masked(224, 16)
    encoder = dict(
        name="vit_base",
        positions="none",
        relative="shared",
        qkv_bias="qv",
        layer_scale=0.1,
        mask_token=True,
        drop_path=0.1,
        init="beit",
    )
    config.method = _method(config, encoder, 16, stride=16)
    config.optimizer = _optimizer(
        config,
        rate=common.scaled(config, 1e-4, per=512),
        tail=_stair(config),
        exclude=("rank_one", "cls_token"),
    )
    return config


def _optimizer(config, *, rate, tail: dict, exclude, warmup_epochs: int = 10) -> dict:
    """AdamW, its gradient cut as a whole, again after every micro-batch."""
    tx = dict(
        name="adamw",
        learning_rate=rate,
        weight_decay=0.05,
        exclude=exclude,
        schedule=_late(config, tail, warmup_epochs=warmup_epochs),
    )
    return dict(name="clipped", optimizer=tx, norm=5.0, per="all", running=True)


def _cosine(config) -> dict:
    steps = config.get_oneway_ref("steps")
    return dict(name="cosine", start=1.0, end=0.05, steps=steps)


def _stair(config) -> dict:
    per_epoch = config.get_oneway_ref("steps_per_epoch")
    return dict(name="step_decay", boundaries=(700,), factor=0.1, unit=per_epoch)


def _late(config, schedule: dict, *, warmup_epochs: int) -> dict:
    """A warm-up in front of what has run since the start, all of it an update late."""
    config.warmup_epochs = warmup_epochs
    ref = config.get_oneway_ref
    rate = dict(
        name="warmed_up",
        schedule=schedule,
        steps=ref("warmup_epochs") * ref("steps_per_epoch"),
        start=5e-3,
        end=1.0,
    )
    return dict(name="by_epoch", schedule=rate, steps_per_epoch=1, first=-1)


def _sample():
    """The bundled images at 32 pixels, where units of 8 are as far apart."""
    config = common.sample(epochs=60)
    config.evaluate.tasks = (recipes.classify("mae", batch_size=256),)
    config.evaluate.views = recipes.center(32)
    config.views = _masked(32, 4, unit=8)
    encoder = dict(
        name="swin",
        width=48,
        depths=(2, 2),
        heads=(3, 6),
        window_size=4,
        masked="token",
    )
    config.method = _method(config, encoder, 4, stride=8, channels=1)
    config.optimizer = _optimizer(
        config,
        rate=1.5e-3,
        tail=_cosine(config),
        exclude=("rank_one", "mask_token"),
        warmup_epochs=2,
    )
    return config
