"""SigLIP. Zhai et al., 2023, arXiv:2303.15343.

Variants: `base16` (ViT-B/16, batch 32768), `sample` (drawn objects and their captions,
for a laptop; not run to its end yet).

The towers are those of CLIP, so that the loss alone differs: the paper's image tower
ends in a probe that attends to all patches, its text tower sees later words too. Pairs
and vocabulary as in configs/clip.py.

    sslax pretrain --config=configs/siglip.py:sample --workdir=/tmp/siglip
"""

from configs import common


def get_config(variant: str = "base16"):
    """The recipe, by variant."""
    return common.pick(variant, {"base16": _base16, "sample": _sample})()


def _base16():
    config = common.pairs(examples=400_000_000, epochs=8, batch_size=32_768)
    towers = dict(dim=768, width=768, depth=12, heads=12)
    towers |= dict(remat=True, scan=True)
    config.data.tokenizer.context = 64
    config.method = dict(
        name="siglip",
        encoder=dict(
            name="clip_vit",
            patch_size=16,
            output=("pooled", "unprojected"),
            dtype=common.dtype(config),
            **towers,
        ),
        text=common.text_tower(config, **towers),
        features="unprojected",
    )
    config.optimizer = dict(
        name="adamw",
        learning_rate=1e-3,
        b2=0.95,
        weight_decay=1e-4,
        exclude=("rank_one", "cls_token"),
        schedule=dict(
            name="warmup_cosine", steps=config.get_oneway_ref("steps"), warmup=10_000
        ),
    )
    return config


def _sample():
    config = common.told()
    config.method = dict(name="siglip", **common.small_towers(config))
    config.optimizer = common.sample_optimizer(config, learning_rate=1e-3)
    return config
