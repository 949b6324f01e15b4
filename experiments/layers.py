"""One vision transformer trained in five ways, to be compared layer by layer.

    for kind in mae simmim dino moco_v3 supervised; do
        sslax pretrain --config=experiments/layers.py:$kind --workdir=layers/$kind
    done
    cd layers
    sslax analyse --runs mae simmim dino moco_v3 supervised --out=layers.html

Patches of 4 pixels, width 96, eight blocks, on the bundled sample, 40 epochs each, by
the sample recipes of the methods but for the network, and a smaller rate where that of
the recipe is for a small convolutional network.

References:
  Xie et al., Revealing the Dark Secrets of Masked Image Modeling, 2023,
    arXiv:2205.13543.
"""

from typing import Any

from configs import dino, finetune, mae, moco_v3, simmim

NET = dict(patch_size=4, width=96, depth=8, heads=3)
RECIPES = {
    "mae": mae,
    "simmim": simmim,
    "dino": dino,
    "moco_v3": moco_v3,
    "supervised": finetune,
}
RATE = 5e-4


def get_config(variant: str = "mae"):
    """The run of a kind of training."""
    if variant not in RECIPES:
        known = sorted(RECIPES)
        raise ValueError(f"no variant {variant!r}; the variants are {known}")
    config = RECIPES[variant].get_config("sample")
    config.epochs = 40
    if variant == "mae":
        config.method.encoder.update(NET)
    elif variant == "simmim":
        _hidden_units(config)
    else:
        several = "pooled" if variant == "supervised" else ("pooled", "attention")
        config.method.encoder = dict(name="vit", output=several, **NET)
        _slow(config.optimizer)
    return config


def _hidden_units(config) -> None:
    """SimMIM's transformer in place of its Swin; a unit is four patches."""
    paper = simmim.get_config("vit_base")
    encoder = {**paper.method.encoder.to_dict(), "name": "vit", "drop_path": 0.0}
    config.method.encoder = {**encoder, **NET, "dtype": "float32"}
    config.method.decoder.patch_size = NET["patch_size"]
    config.optimizer.optimizer.exclude = paper.optimizer.optimizer.exclude


def _slow(spec: Any) -> None:
    """Another rate in the call of an optimizer, wherever one is named."""
    if isinstance(spec, (list, tuple)):
        for one in spec:
            _slow(one)
    elif hasattr(spec, "items"):
        for value in spec.values():
            _slow(value)
        if "learning_rate" in spec:
            spec["learning_rate"] = RATE
