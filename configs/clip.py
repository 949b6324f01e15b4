"""CLIP. Radford et al., 2021, arXiv:2103.00020.

Variants: `base32` (ViT-B/32, batch 32768, 32 epochs of 400 million pairs; published
zero-shot accuracy on ImageNet 63.3 %), `base16` (68.3 %), `large14` (75.5 %),
`resnet50` (59.8 %), `resnet101` (62.3 %), `resnet50x4` (wider and deeper, images of 288
pixels; 66.3 %), `sample` (drawn objects of 64 pixels and their captions, for a laptop).

The pairs were never published: drawn objects stand for them, to plan with. Your own are
--config.data.train=captioned:/path --config.data.canvas=256 --config.examples=N, or
shards:/path, tar files as WebDataset writes them, or coco_captions/train of TFDS. Their
captions train a vocabulary of their own, kept beside the run; the released one is
--config.data.tokenizer="{'name': 'clip_byte_pairs', 'cut': True}". The small published
recipes are the same: of Conceptual Captions (3 million) batch 1024, rate 1e-3, decay
0.1, 30 epochs.

    sslax pretrain --config=configs/clip.py:sample --workdir=/tmp/clip
"""

from configs import common

LARGE = dict(width=1024, depth=24, heads=16)
DEEP, WIDE = (3, 4, 23, 3), (4, 6, 10, 6)
# Of Adam, where the image tower is a transformer.
MOMENTS = dict(b2=0.98, eps=1e-6)


def get_config(variant: str = "base32"):
    """The recipe of the paper, by size."""
    choices = {
        "base32": lambda: _released(_vit(32), dim=512, **MOMENTS),
        "base16": lambda: _released(_vit(16), dim=512, **MOMENTS),
        "large14": lambda: _released(
            _vit(14, **LARGE), dim=768, text=768, rate=4e-4, **MOMENTS
        ),
        "resnet50": lambda: _released(_resnet(), dim=1024),
        "resnet101": lambda: _released(_resnet(stages=DEEP), dim=512),
        "resnet50x4": lambda: _released(
            _resnet(stages=WIDE, width=80), dim=640, text=640, side=288
        ),
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _vit(patch_size: int, *, width=768, depth=12, heads=12) -> dict:
    size = dict(width=width, depth=depth, heads=heads, patch_size=patch_size)
    return dict(name="clip_vit", **size, remat=True, scan=True)


def _resnet(**size) -> dict:
    return dict(name="clip_resnet", **size)


def _released(encoder: dict, *, dim: int, text=512, side=224, rate=5e-4, **moments):
    pairs = dict(examples=400_000_000, epochs=32, batch_size=32_768)
    config = common.pairs(**pairs, side=side)
    own = dict(output=("pooled", "unprojected"), dtype=common.dtype(config))
    words = dict(width=text, depth=12, heads=text // 64, remat=True, scan=True)
    config.method = dict(
        name="clip",
        encoder=dict(**encoder, dim=dim, **own),
        text=common.text_tower(config, dim=dim, **words),
        features="unprojected",
    )
    config.optimizer = dict(
        name="adamw",
        learning_rate=rate,
        **moments,
        weight_decay=0.2,
        exclude=("rank_one", "cls_token"),
        schedule=dict(
            name="warmup_cosine", steps=config.get_oneway_ref("steps"), warmup=2000
        ),
    )
    return config


def _sample():
    config = common.told()
    config.method = dict(name="clip", **common.small_towers(config))
    config.optimizer = common.sample_optimizer(config, learning_rate=1e-3)
    return config
