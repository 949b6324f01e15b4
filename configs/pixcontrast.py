"""PixContrast. Xie et al., 2020, arXiv:2011.10043.

Never released: data, networks and optimizer are those of PixPro. Of published numbers
none is known here for sure.

Variants: `imagenet` (ResNet-50, batch 1024, 100 epochs),
`sample` (drawn objects, minutes on a laptop).

    sslax pretrain --config=configs/pixcontrast.py --workdir=/tmp/pixcontrast
"""

from configs import common, pixpro


def get_config(variant: str = "imagenet"):
    """The recipe of the paper, by variant."""
    choices = {"imagenet": _imagenet, "sample": _sample}
    return common.pick(variant, choices)()


def _imagenet():
    config = pixpro.imagenet()
    config.method = dict(name="pixcontrast", **pixpro.full_size(config))
    return config


def _sample():
    config = pixpro.sample()
    config.method = dict(name="pixcontrast", **pixpro.small_size(config))
    return config
