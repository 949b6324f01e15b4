"""CLIP. Radford et al., 2021, arXiv:2103.00020.

Variants: `base32` (ViT-B/32, batch 32768, 32 epochs of 400 million pairs; published
zero-shot accuracy on ImageNet 63.3 %), `base16` (68.3 %), `large14` (75.5 %),
`sample` (drawn objects of 64 pixels and their captions, for a laptop).

The pairs were never published: drawn objects stand for them, to plan with. Your own are
--config.data.train=captioned:/path --config.data.canvas=256 --config.examples=N. Their
captions train a vocabulary of their own, kept beside the run; the released one is
--config.data.tokenizer="{'name': 'clip_byte_pairs', 'cut': True}". The small published
recipes are the same: of Conceptual Captions (3 million) batch 1024, rate 1e-3, decay
0.1, 30 epochs.

    sslax pretrain --config=configs/clip.py:sample --workdir=/tmp/clip
"""

from configs import common


def get_config(variant: str = "base32"):
    """The recipe of the paper, by size."""
    choices = {
        "base32": lambda: _released(32, width=768, depth=12, heads=12),
        "base16": lambda: _released(16, width=768, depth=12, heads=12),
        "large14": lambda: _released(
            14, width=1024, depth=24, heads=16, dim=768, text=768, rate=4e-4
        ),
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _released(patch_size: int, *, dim=512, text=512, rate=5e-4, **size):
    config = common.pairs(examples=400_000_000, epochs=32, batch_size=32_768)
    towers = dict(dim=dim, remat=True, scan=True)
    config.method = dict(
        name="clip",
        encoder=dict(
            name="clip_vit",
            patch_size=patch_size,
            output=("pooled", "unprojected"),
            **size,
            dtype=common.dtype(config),
            **towers,
        ),
        text=common.text_tower(
            config, width=text, depth=12, heads=text // 64, **towers
        ),
        features="unprojected",
    )
    config.optimizer = dict(
        name="adamw",
        learning_rate=rate,
        b2=0.98,
        eps=1e-6,
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
