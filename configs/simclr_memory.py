"""SimCLR with a memory of negatives. Chen et al., 2020, arXiv:2006.10029, section 2.

Variants: `imagenet` (ResNet-50, batch 4096, 800 epochs, as `simclr.py:v2`, and 65,536
negatives of a slow teacher; the paper gives it about a point over that),
`sample` (minutes on a laptop).

    sslax pretrain --config=configs/simclr_memory.py:sample --workdir=/tmp/memory

`simclr_v2.py:memory` goes on to few labels and to distillation.
"""

from configs import common, simclr


def get_config(variant: str = "imagenet"):
    """The recipe of SimCLR v2 with its memory, by variant."""
    return common.pick(variant, {"imagenet": _imagenet, "sample": _sample})()


def _imagenet():
    config = simclr.get_config("v2")
    config.method.update(name="simclr_memory", queue_size=65536, momentum=0.999)
    return config


def _sample():
    config = simclr.get_config("sample")
    config.method.update(name="simclr_memory", queue_size=4096, momentum=0.99)
    return config
