"""MoCo v3. Chen et al., 2021, arXiv:2104.02057.

Variants: `imagenet` (ViT-S/16, batch 4096, 300 epochs; published linear probe 73.2 %),
`base` (ViT-B/16; 76.7 %), `resnet50` (LARS, 300 epochs; 72.8 %),
`cifar10` (ResNet-18, batch 256, 1000 epochs; 93.1 % in solo-learn),
`sample` (minutes on a laptop).

    sslax pretrain --config=configs/moco_v3.py:base --workdir=/tmp/moco_v3
"""

from configs import common, recipes

# The heads of a ResNet: a layer less, and no batch norm behind the predictor.
RESNET_HEADS = dict(depth=2, predictor_norm=False)


def get_config(variant: str = "imagenet"):
    """The official recipe, by variant."""
    choices = {
        "imagenet": lambda: _transformer(size="small", heads=12),
        "base": lambda: _transformer(size="base"),
        "resnet50": _resnet50,
        "cifar10": _cifar10,
        "sample": _sample,
    }
    return common.pick(variant, choices)()


def _method(config, encoder: dict, **kwargs) -> dict:
    steps = config.get_oneway_ref("steps")
    momentum = dict(name="cosine", start=0.99, end=1.0, steps=steps)
    return dict(name="moco_v3", encoder=encoder, momentum=momentum, **kwargs)


def _transformer(**size):
    """Patches are projected at random for good: no gradient, and no weight decay."""
    config = common.imagenet(epochs=300, batch_size=4096, probe="moco_v3", half=True)
    config.views = recipes.torch_byol(224)
    encoder = dict(
        name="vit",
        patch_size=16,
        positions="sincos_row",
        init="xavier_qkv",
        freeze_patches=True,
        dtype=common.dtype(config),
        **size,
    )
    config.method = _method(config, encoder, hidden=4096, dim=256, temperature=0.2)
    adamw = dict(
        name="adamw",
        learning_rate=common.scaled(config, 1.5e-4),
        weight_decay=0.1,
        exclude="none",
        schedule=common.warmup_cosine(config, warmup_epochs=40),
    )
    config.optimizer = dict(name="frozen", optimizer=adamw, match=("patch_embed",))
    return config


def _lars(config) -> dict:
    return dict(
        name="lars_byol",
        learning_rate=common.scaled(config, 0.3),
        weight_decay=1e-6,
        schedule=common.warmup_cosine(config, warmup_epochs=10),
    )


def _resnet50():
    config = common.imagenet(
        epochs=300, batch_size=4096, probe="moco_v3_resnet", half=True
    )
    config.views = recipes.torch_byol(224, scale=(0.2, 1.0))
    encoder = dict(name="resnet50", dtype=common.dtype(config))
    heads = dict(hidden=4096, dim=256, **RESNET_HEADS)
    config.method = _method(config, encoder, temperature=1.0, **heads)
    config.optimizer = _lars(config)
    return config


def _cifar10():
    config = common.cifar10(epochs=1000, batch_size=256)
    config.evaluate.tasks = (recipes.classify("moco_v3_resnet", batch_size=256),)
    config.views = recipes.torch_byol(32, resize="bicubic", blur=(0.0, 0.0))
    encoder = dict(name="resnet18", stem="cifar", dtype=common.dtype(config))
    heads = dict(hidden=4096, dim=256, **RESNET_HEADS)
    config.method = _method(config, encoder, temperature=0.2, **heads)
    config.optimizer = _lars(config)
    return config


def _sample():
    config = common.sample()
    config.views = dict(name="two_views", first=recipes.sample())
    heads = dict(hidden=256, dim=128, **RESNET_HEADS)
    config.method = _method(config, common.small_net(config), temperature=0.2, **heads)
    config.optimizer = common.sample_optimizer(config)
    return config
