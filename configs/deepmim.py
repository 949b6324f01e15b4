"""DeepMIM. Ren et al., 2023, arXiv:2303.08817.

Variants: `base` (pixels, as MAE's ViT-B/16; batch 4096, 1600 epochs; published
fine-tuning 84.2 %, where MAE has 83.6 %),
`clip` (the features of CLIP's ViT-B/16, which are not self-supervised; 85.6 %),
`sample` (minutes on a laptop).

    sslax pretrain --config=configs/deepmim.py --workdir=/tmp/deepmim

The teacher of `clip` is any run or converted weights; CLIP's own come in by

    sslax convert --from=torch ViT-B-16.pt --model=clip_vit_base_patch16 --out=clip
    sslax pretrain --config=configs/deepmim.py:clip --workdir=/tmp/deepmim_clip \
        --config.start=clip:params/encoder=extra/teacher/encoder
"""

from configs import common, recipes


def get_config(variant: str = "base"):
    """The official recipe, by target."""
    choices = {"base": _pixels, "clip": _clip, "sample": _sample}
    return common.pick(variant, choices)()


# After blocks 6, 8 and 10 of 12, and at the end.
_TAPS = ("block5", "block7", "block9", "tokens")


def _method(
    config, encoder: dict, decoder: dict, patch_size: int, *, taps=_TAPS, **kwargs
):
    return dict(
        name="deepmim",
        encoder=dict(
            name="mae_encoder",
            patch_size=patch_size,
            output=("tokens", *taps[:-1], "attention"),  # the last for the report
            dtype=common.dtype(config),
            **encoder,
        ),
        decoder=dict(
            name="deep_mim_decoder",
            taps=len(taps),
            dtype=common.dtype(config),
            **decoder,
        ),
        taps=taps,
        patch_size=patch_size,
        **kwargs,
    )


def _base(dim: int, **kwargs):
    config = common.imagenet(epochs=1600, batch_size=4096, probe="mae", half=True)
    config.views = recipes.masked(224, recipes.hidden(16))
    decoder = dict(dim=dim, width=512, depth=4, heads=16)
    config.method = _method(config, dict(size="base"), decoder, 16, **kwargs)
    config.optimizer = common.mae_adamw(
        config, common.scaled(config, 1.5e-4), warmup_epochs=40
    )
    return config


def _pixels():
    return _base(16 * 16 * 3)


def _clip():
    """The teacher is exact, and costs no backward pass."""
    teacher = dict(name="clip_vit", patch_size=16, output="tokens", dtype="float32")
    return _base(512, teacher=teacher, normalized="imagenet", teacher_normalized="clip")


def _sample():
    config = common.sample(epochs=40)
    config.evaluate.tasks = (recipes.classify("mae", batch_size=256),)
    config.views = recipes.masked(28, recipes.hidden(4), scale=(0.4, 1.0))
    encoder = dict(width=96, depth=4, heads=3)
    decoder = dict(dim=4 * 4, width=64, depth=1, heads=4)
    taps = ("block1", "block2", "tokens")
    config.method = _method(config, encoder, decoder, 4, taps=taps)
    config.optimizer = common.mae_adamw(config, 1.5e-3, warmup_epochs=2)
    return config
