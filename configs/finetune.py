"""Fine-tuning, probes and few labels, from a run or converted weights.

    sslax pretrain --config=configs/finetune.py:mae --config.start=/runs/mae \\
        --workdir=/tmp/mae_finetune

Without `--config.start` the weights are random: the supervised baseline.

Variants: `sample`, `sample_10`, `sample_1` (the demo's encoder on all, 10 % and 1 % of
the labels of the bundled sample), `mae`, `mae_large`, `mae_huge` (arXiv:2111.06377,
table 9; 83.6, 85.9, 86.9 %), `mae_partial` (the last 4 blocks alone; `mae_partial_1`
the last one), `mae_linear` (frozen, batch norm and LARS; 68.0 %), `beit`, `beit_large`
(arXiv:2106.08254; 83.2, 85.2 %), `simmim`, `simmim_large`, `simmim_vit`
(arXiv:2111.09886; Swin-B and Swin-L at 224 pixels 84.0 and 85.4, ViT-B 83.8 %),
`ibot_small`, `ibot`, `ibot_large` (arXiv:2111.07832; 82.3, 84.0, 84.8 %), `convmae`
(arXiv:2205.03892; 85.0 %), `deepmim_clip`
(arXiv:2303.08817; 85.6 %; with pixels as `mae`), `simclr_v2_1`, `simclr_v2_10`,
`simclr_v2_100` (arXiv:2006.10029; 57.9, 68.4, 76.3 %), `swav_1`, `swav_10`
(arXiv:2006.09882; two rates; 53.9, 70.2 %), `barlow_twins_1`, `barlow_twins_10`
(arXiv:2103.03230; two rates; 55.0, 69.7 %), `moco_linear` (arXiv:1911.05722; frozen,
rate 30; 71.1 % of version 2).

SimCLR v2 starts from the first layer of its projection head, so it takes all groups:
`--config.start=/runs/simclr_v2:params`.
"""

from configs import common, recipes

CLASSES = 1000
# The released lists of SimCLR: 13 and 128 images of every class, about.
FEW_EXAMPLES = {1: 12_811, 10: 128_116}


def get_config(variant: str = "sample"):
    """The recipe, by variant."""
    choices = {
        "sample": _sample,
        "sample_10": lambda: _sample(10),
        "sample_1": lambda: _sample(1),
        "mae": _mae,
        "mae_large": lambda: _mae("large"),
        "mae_huge": lambda: _mae("huge"),
        "mae_partial": _mae_partial,
        "mae_partial_1": lambda: _mae_partial(1),
        "mae_linear": _mae_linear,
        "beit": _beit,
        "beit_large": lambda: _beit("large"),
        "simmim": _simmim,
        "simmim_large": lambda: _simmim("large"),
        "simmim_vit": _simmim_vit,
        "ibot_small": lambda: _ibot("small"),
        "ibot": _ibot,
        "ibot_large": lambda: _ibot("large"),
        "convmae": _convmae,
        "deepmim_clip": _deepmim_clip,
        "simclr_v2_1": lambda: _simclr_v2(1),
        "simclr_v2_10": lambda: _simclr_v2(10),
        "simclr_v2_100": lambda: _simclr_v2(100),
        "swav_1": lambda: _swav(1),
        "swav_10": lambda: _swav(10),
        "barlow_twins_1": lambda: _barlow_twins(1),
        "barlow_twins_10": lambda: _barlow_twins(10),
        "moco_linear": _moco_linear,
    }
    return common.pick(variant, choices)()


def _two_rates(trunk: dict, head: dict) -> dict:
    """One optimizer for the encoder, another for the classifier."""
    return dict(name="grouped", optimizer=trunk, others=((("classifier",), head),))


def _sample(percent: int = 100):
    """Rates chosen on a fifth of the training images: experiments.finetune --choose."""
    epochs, batch_size = {100: (20, 128), 10: (60, 100), 1: (200, 50)}[percent]
    config = common.sample(epochs=epochs, batch_size=batch_size)
    config.examples = 100 * percent
    if percent < 100:
        source = dict(name="fashion_mnist_sample", split="train")
        fraction = percent / 100
        config.data.train = dict(name="subset", of=source, fraction=fraction)
        config.data.test = "fashion_mnist_sample/test"
    config.checkpoint.every = 10 * config.get_oneway_ref("steps_per_epoch")
    config.evaluate.tasks = (dict(name="top_k"),)
    view = recipes.crop(28, scale=(0.6, 1.0), jitter=(0.4, 0.4, 0.0, 0.0))
    config.views = dict(name="one_view", view=view)
    config.method = dict(
        name="classifier",
        encoder=common.small_net(config),
        classes=10,
        head_init="zeros",
        smoothing=0.1,
    )
    schedule = common.warmup_cosine(config, warmup_epochs=1)
    rates = dict(name="adamw", weight_decay=0.05, schedule=schedule)
    config.optimizer = _two_rates(
        {**rates, "learning_rate": 1e-3}, {**rates, "learning_rate": 1e-3}
    )
    return config


def _imagenet(*, epochs: int, batch_size: int, percent: int = 100, half: bool = False):
    """ImageNet, read by the logits on the validation images."""
    examples = FEW_EXAMPLES.get(percent, common.IMAGENET_EXAMPLES)
    config = common.imagenet(
        examples=examples, epochs=epochs, batch_size=batch_size, half=half
    )
    if percent < 100:
        config.data.train = f"imagenet2012_subset/{percent}pct/train"
    config.evaluate.tasks = (dict(name="top_k", k=(1, 5)),)
    return config


def _crop_and_flip(**kwargs) -> dict:
    return dict(name="one_view", view=recipes.crop(224, **kwargs))


def _mixed(config) -> None:
    """RandAugment, erased boxes, mixup, cutmix, smoothing: one recipe for all three."""
    view = recipes.crop(224, resize="bicubic")
    config.views = dict(name="fine_tuned", view=view, classes=CLASSES, noise="imagenet")


def _decayed(*, rate, decay: float, exclude, schedule: dict, clip=None) -> dict:
    """AdamW whose rates fall from the head to the patches."""
    tx = dict(
        name="adamw",
        learning_rate=rate,
        weight_decay=0.05,
        exclude=exclude,
        schedule=schedule,
    )
    tx = dict(name="layer_decay", optimizer=tx, decay=decay)
    return (
        tx if clip is None else dict(name="clipped", optimizer=tx, norm=clip, per="all")
    )


def _mae(size: str = "base"):
    epochs, base, decay, drop_path = {
        "base": (100, 5e-4, 0.65, 0.1),
        "large": (50, 1e-3, 0.75, 0.2),
        "huge": (50, 1e-3, 0.75, 0.3),
    }[size]
    config = _imagenet(epochs=epochs, batch_size=1024, half=True)
    _mixed(config)
    config.method = dict(
        name="classifier",
        encoder=dict(
            name=f"vit_{size}",
            patch_size=14 if size == "huge" else 16,
            positions="sincos_learned",
            pool="mean",
            drop_path=drop_path,
            dtype=common.dtype(config),
        ),
        classes=CLASSES,
        head_init=2e-5,
    )
    # Positions go on from the fixed ones; the norm is another, of the mean.
    config.fit.without = ("norm", "fc_norm", "pos_embed", "mask_token")
    rate = common.scaled(config, base)
    config.optimizer = _decayed(
        rate=rate,
        decay=decay,
        exclude=("rank_one", "cls_token", "pos_embed"),
        schedule=common.warmup_cosine(config, warmup_epochs=5, end=1e-6 / (4 * base)),
    )
    return config


def _mae_partial(blocks: int = 4):
    config = _mae()
    held = "|".join(str(i) for i in range(12 - blocks))
    match = ("encoder/(patch_embed|cls_token|pos_embed)",)
    if held:
        match = (*match, rf"encoder/blocks_({held})/")
    tx = config.optimizer.optimizer.to_dict()
    config.optimizer.optimizer = dict(name="frozen", optimizer=tx, match=match)
    return config


def _mae_linear():
    config = _imagenet(epochs=90, batch_size=16384, half=True)
    config.views = _crop_and_flip(resize="bicubic", crop="byol")
    config.method = dict(
        name="classifier",
        encoder=dict(name="vit_base", positions="sincos", dtype=common.dtype(config)),
        classes=CLASSES,
        frozen=True,
        head_norm=True,
    )
    config.optimizer = dict(
        name="lars_byol",
        learning_rate=common.scaled(config, 0.1),
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )
    return config


def _moco_linear():
    config = _imagenet(epochs=100, batch_size=256)
    config.views = _crop_and_flip()
    config.method = dict(
        name="classifier",
        encoder=dict(name="resnet50", dtype=common.dtype(config)),
        classes=CLASSES,
        frozen=True,
    )
    config.optimizer = dict(
        name="sgd",
        learning_rate=30.0,
        schedule=_stairs(config, epochs=(60, 80), factor=0.1),
    )
    return config


def _beit(size: str = "base"):
    epochs, warmup, rate, decay, drop_path, scale = {
        "base": (100, 20, 4e-3, 0.65, 0.1, 0.1),
        "large": (50, 5, 1e-3, 0.75, 0.2, 1e-5),
    }[size]
    config = _imagenet(epochs=epochs, batch_size=1024, half=True)
    _mixed(config)
    config.method = dict(
        name="classifier",
        encoder=_beit_encoder(config, size, drop_path=drop_path, layer_scale=scale),
        classes=CLASSES,
        head_init=2e-5,
    )
    _one_table_a_block(config)
    config.optimizer = _decayed(
        rate=rate,
        decay=decay,
        exclude=("rank_one", "cls_token"),
        schedule=common.warmup_cosine(
            config, warmup_epochs=warmup, end=1e-6 / rate, inclusive=True
        ),
    )
    return config


def _beit_encoder(config, size: str, **kwargs) -> dict:
    return dict(
        name=f"vit_{size}",
        positions="none",
        relative="block",
        qkv_bias="qv",
        pool="mean",
        init="beit",
        dtype=common.dtype(config),
        **kwargs,
    )


def _one_table_a_block(config) -> None:
    """Pretraining shares one table of relative positions; the norm is another."""
    config.fit.without = ("norm", "fc_norm", "mask_token")
    config.fit.spread = (("relative", r"blocks_\d+/attn/relative"),)


def _simmim(size: str = "base"):
    """After 800 epochs; after 100 the decay of Swin-B's layers is 0.9."""
    window, drop_path, decay = {"base": (7, 0.1, 0.8), "large": (14, 0.2, 0.7)}[size]
    config = _imagenet(epochs=100, batch_size=2048, half=True)
    _mixed(config)
    config.method = dict(
        name="classifier",
        encoder=dict(
            name=f"swin_{size}",
            window_size=window,
            drop_path=drop_path,
            dtype=common.dtype(config),
        ),
        classes=CLASSES,
        head_init=2e-5,
    )
    # Pretrained with windows of 6, of Swin-L 12, at 192 pixels.
    config.fit.update(without=("mask_token",), resize="size")
    config.optimizer = _simmim_optimizer(config, decay=decay, exclude="rank_one")
    return config


def _simmim_vit():
    config = _imagenet(epochs=100, batch_size=2048, half=True)
    _mixed(config)
    config.method = dict(
        name="classifier",
        encoder=_beit_encoder(config, "base", drop_path=0.1, layer_scale=0.1),
        classes=CLASSES,
        head_init=2e-5,
    )
    _one_table_a_block(config)
    config.optimizer = _simmim_optimizer(
        config, decay=0.65, exclude=("rank_one", "cls_token")
    )
    return config


def _ibot(size: str = "base"):
    """BEiT's recipe with absolute positions, the class token read.

    The paper sweeps the rate and does not say which was best: it is BEiT's.
    """
    epochs, warmup, decay, drop_path = {
        "small": (200, 20, 0.75, 0.1),
        "base": (100, 20, 0.65, 0.2),
        "large": (50, 5, 0.75, 0.4),
    }[size]
    config = _imagenet(epochs=epochs, batch_size=1024, half=True)
    _mixed(config)
    config.method = dict(
        name="classifier",
        encoder=dict(
            name=f"vit_{size}", drop_path=drop_path, dtype=common.dtype(config)
        ),
        classes=CLASSES,
        head_init=2e-5,
    )
    config.fit.without = ("mask_token",)
    rate = 1e-3 if size == "large" else 4e-3
    config.optimizer = _decayed(
        rate=rate,
        decay=decay,
        exclude=("rank_one", "cls_token", "pos_embed"),
        schedule=common.warmup_cosine(
            config, warmup_epochs=warmup, end=1e-6 / rate, inclusive=True
        ),
    )
    return config


def _convmae():
    """MAE's recipe; the last stage alone, with a norm of its own."""
    config = _mae()
    config.method.encoder = dict(
        name="convmae_encoder",
        fusion=False,
        positions="sincos_learned",
        output="pooled",
        drop_path=0.1,
        dtype=common.dtype(config),
    )
    # What is fused for the decoder stays behind.
    config.fit.without = ("norm", "fc_norm", "pos_embed", r"fuse\d")
    return config


def _deepmim_clip():
    """MAE's recipe with smaller rates, which fall faster."""
    config = _mae()
    base = 1e-4
    config.optimizer = _decayed(
        rate=common.scaled(config, base),
        decay=0.6,
        exclude=("rank_one", "cls_token", "pos_embed"),
        schedule=common.warmup_cosine(config, warmup_epochs=5, end=1e-6 / (4 * base)),
    )
    return config


def _simmim_optimizer(config, **kwargs) -> dict:
    return _decayed(
        rate=common.scaled(config, 1.25e-3, per=512),
        clip=5.0,
        schedule=common.warmup_cosine(config, warmup_epochs=20, start=2e-4, end=2e-4),
        **kwargs,
    )


def _resnet50(config, projector: dict | None = None, **kwargs) -> dict:
    encoder = dict(name="resnet50", dtype=common.dtype(config), **kwargs)
    method = dict(name="classifier", encoder=encoder, classes=CLASSES)
    return method if projector is None else {**method, "projector": projector}


def _simclr_v2(percent: int):
    """From the first layer of the projection head; no decay, no warm-up."""
    epochs = {1: 60, 10: 30, 100: 30}[percent]
    config = _imagenet(epochs=epochs, batch_size=1024, percent=percent)
    config.views = _crop_and_flip(resize="bicubic", crop="tf", antialias=False)
    projector = dict(
        name="mlp",
        hidden=2048,
        dim=128,
        depth=3,
        output="hidden1",
        init="normal",
        dtype=common.dtype(config),
    )
    config.method = {**_resnet50(config, projector), "head_init": "zeros"}
    config.fit.without = ("classifier", r"projector/(linear|bn)[23]")
    config.optimizer = dict(
        name="lars",
        learning_rate=0.005 * 32,  # the square root of the batch
        exclude=("rank_one", "classifier"),
        schedule=common.warmup_cosine(config, warmup_epochs=0),
    )
    return config


def _swav(percent: int):
    trunk, head = {1: (0.02, 5.0), 10: (0.01, 0.2)}[percent]
    config = _imagenet(epochs=20, batch_size=256, percent=percent)
    config.normalize = "swav"
    config.views = _crop_and_flip()
    config.method = _resnet50(config)
    schedule = _stairs(config, epochs=(12, 16), factor=0.2)
    config.optimizer = _two_rates(_sgd(trunk, schedule), _sgd(head, schedule))
    return config


def _barlow_twins(percent: int):
    """The rates are those of the released command for 1 %."""
    config = _imagenet(epochs=20, batch_size=256, percent=percent)
    config.views = _crop_and_flip()
    config.method = _resnet50(config)
    schedule = common.cosine_by_epoch(config)
    config.optimizer = _two_rates(_sgd(0.005, schedule), _sgd(0.5, schedule))
    return config


def _sgd(rate: float, schedule: dict) -> dict:
    return dict(name="sgd", learning_rate=rate, schedule=schedule)


def _stairs(config, *, epochs: tuple[int, ...], **kwargs) -> dict:
    return dict(
        name="step_decay",
        boundaries=epochs,
        unit=config.get_oneway_ref("steps_per_epoch"),
        **kwargs,
    )
