"""SigLIP. Zhai et al., 2023, arXiv:2303.15343.

Variants: `base16` (ViT-B/16 with a probe that pools, and a text transformer of the same
size that sees later words too, 203 million parameters; batch 32768), `sample` (both
small, on drawn objects and their captions, for a laptop; the loss of one run fell from
5.85, which is chance, to 4.7).

Towers, pixels in [-1, 1], 32,000 words and a context of 64 are those of the released
models. Their vocabulary is SentencePiece's of C4, which pads texts with their end; here
byte pairs are trained on the captions and pad with zeros. The released code's decay is
not scaled by the rate, and leaves out all but the kernels of layers: 1e-4 there is 0.1
here. Pairs as in configs/clip.py.

    sslax pretrain --config=configs/siglip.py:sample --workdir=/tmp/siglip
"""

from configs import common

# Neither vectors of words and places nor the probe decay.
KERNELS = ("rank_one", "token_embed", "pos_embed", "probe")


def get_config(variant: str = "base16"):
    """The recipe, by variant."""
    return common.pick(variant, {"base16": _base16, "sample": _sample})()


def _towers(config, *, patch_size: int, width: int, **size) -> dict:
    """Both towers end at the width: that of images has no projection."""
    return dict(
        encoder=dict(
            name="vit",
            patch_size=patch_size,
            width=width,
            class_token=False,
            pool="map",
            activation="gelu_tanh",
            init="big_vision",
            dtype=common.dtype(config),
            **size,
        ),
        text=common.text_tower(
            config, name="siglip_text", dim=width, width=width, **size
        ),
    )


def _base16():
    config = common.pairs(examples=400_000_000, epochs=8, batch_size=32_768)
    config.normalize = "half"
    config.data.tokenizer.update(words=32_000, context=64)
    size = dict(depth=12, heads=12, remat=True, scan=True)
    config.method = dict(
        name="siglip", **_towers(config, patch_size=16, width=768, **size)
    )
    config.optimizer = dict(
        name="adamw",
        learning_rate=1e-3,
        b2=0.95,
        weight_decay=0.1,
        exclude=KERNELS,
        schedule=dict(
            name="warmup_cosine", steps=config.get_oneway_ref("steps"), warmup=10_000
        ),
    )
    return config


def _sample():
    config = common.told()
    size = dict(depth=2, heads=2)
    config.method = dict(
        name="siglip", **_towers(config, patch_size=16, width=64, **size)
    )
    # At 1e-3, four blocks on patches of 8 pixels stay at chance for half of the run.
    config.optimizer = common.sample_optimizer(config, learning_rate=3e-3)
    return config
