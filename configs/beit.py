"""BEiT. Bao et al., 2021, arXiv:2106.08254.

Variants: `base` (ViT-B/16, batch 2048, 800 epochs; published fine-tuning 83.2 %, and
with --config.beit.epochs=300 83.0 %, linear probe 37.6 %), `large` (ViT-L/16; 85.2 %),
`sample` (a small ViT and its own tokenizer, in two stages; minutes on a laptop).

    sslax pretrain --config=configs/beit.py:sample --workdir=/tmp/beit

trains the tokenizer of configs/dvae.py, then BEiT, and goes on where it was stopped.
The paper's tokenizer is DALL-E's. From its weights, converted as docs/convert.md says,
or from a run of configs/dvae.py:dalle:

    sslax pretrain --config=configs/beit.py:base --workdir=/tmp/beit \\
        --config.beit.start="('ENCODER:params/encoder=extra/tokenizer/encoder',
            'DECODER:params/encoder=extra/tokenizer/decoder')"
    sslax pretrain --config=configs/beit.py:base --workdir=/tmp/beit \\
        --config.beit.start=RUN:extra/teacher=extra/tokenizer

Fine-tuning is configs/finetune.py:beit.
"""

from configs import common, dvae, recipes


def get_stages(variant: str = "base"):
    """The stages, by variant: BEiT alone, or its tokenizer before it."""
    choices = {
        "base": lambda: {"beit": _imagenet("base", layer_scale=0.1)},
        "large": lambda: {"beit": _imagenet("large", layer_scale=1e-5, remat=True)},
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _imagenet(size: str, **kwargs):
    config = common.imagenet(epochs=800, batch_size=2048, probe="mae", half=True)
    crop = dict(jitter=(0.4, 0.4, 0.4, 0.0), jitter_prob=1.0)
    config.views = _views(crop, size=224, drawn=112, mask=dict(patch_size=16, count=75))
    encoder = dict(
        name=f"vit_{size}", drop_path=0.1, dtype=common.dtype(config), **kwargs
    )
    config.method = _method(config, encoder, dvae.DALLE, words=8192)
    config.optimizer = _adamw(config, rate=1.5e-3, warmup_epochs=10)
    return config


def _views(crop: dict, *, size: int, drawn: int, mask: dict) -> dict:
    """One crop in two renderings: for the transformer, and for the tokenizer."""
    return dict(
        name="masked",
        view=recipes.crop(size, resize="bicubic", **crop),
        rendering=recipes.crop(drawn, resize="lanczos", **crop),
        mask=dict(name="hide_blocks", **mask),
    )


def _method(config, encoder: dict, tokenizer: dict, *, words: int) -> dict:
    return dict(
        name="beit",
        encoder=dict(
            positions="none",
            relative="shared",
            qkv_bias="qv",
            mask_token=True,
            init="beit",
            output=("tokens", "attention"),  # the second for the report
            **encoder,
        ),
        tokenizer=tokenizer["encoder"],
        decoder=tokenizer["decoder"],
        patch_size=encoder.get("patch_size", 16),
        words=words,
        statistics=config.get_oneway_ref("normalize"),
    )


def _adamw(config, *, rate: float, warmup_epochs: int) -> dict:
    """The relative table and the mask token are decayed; the warm-up starts at 0."""
    schedule = common.warmup_cosine(
        config, warmup_epochs=warmup_epochs, end=1e-5 / rate, inclusive=True
    )
    return dict(
        name="adamw",
        learning_rate=rate,
        weight_decay=0.05,
        exclude=("rank_one", "cls_token", "pos_embed"),
        clip=3.0,
        schedule=schedule,
    )


def _sample():
    """Two fifths of the small grid are hidden, in blocks of a twelfth or more."""
    tokenizer, config = dvae.get_config("sample"), common.sample(epochs=60)
    config.views = _views(
        dict(scale=(0.4, 1.0)),
        size=28,
        drawn=28,
        mask=dict(patch_size=4, count=20, least=4),
    )
    encoder = dict(name="vit", width=96, depth=4, heads=3, patch_size=4)
    nets = {k: tokenizer.method[k].to_dict() for k in ("encoder", "decoder")}
    config.method = _method(
        config,
        dict(**encoder, layer_scale=0.1, dtype=common.dtype(config)),
        nets,
        words=nets["encoder"]["words"],
    )
    config.evaluate.tasks = (recipes.classify("mae", batch_size=256),)
    config.optimizer = _adamw(config, rate=1.5e-3, warmup_epochs=2)
    config.start = ("tokenizer:extra/teacher=extra/tokenizer",)
    return {"tokenizer": tokenizer, "beit": config}
