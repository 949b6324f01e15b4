"""SimCLR v2. Chen et al., 2020, arXiv:2006.10029.

Three stages: pretrain, fine-tune on few labels, distil on all images.

Variants: `sample` (the demo's SimCLR with a head of three layers, 10 % of the labels of
the bundled sample, a student half as wide), `imagenet` (ResNet-50, 10 % of the labels,
then itself; published 68.4 % before the distillation), `imagenet_1` (1 %; 57.9 %),
`memory` (`imagenet` with the paper's memory of negatives, worth about a point),
`selective` (with selective kernels, 10 % of the labels; 72.1 % before the distillation;
then itself, and from that a plain ResNet-50). The paper's largest network is resnet152
with width=3.

    sslax pretrain --config=configs/simclr_v2.py --workdir=/tmp/stages
"""

from configs import common, finetune, simclr, simclr_memory

# What makes the network ResNet-D with selective kernels.
SELECTIVE = dict(stem="deep", shortcut="pool_always", selective=0.0625)


def get_stages(variant: str = "sample"):
    """Configs by name, each of which starts from one before."""
    choices = {
        "sample": _sample,
        "imagenet": lambda: _imagenet(10),
        "imagenet_1": lambda: _imagenet(1),
        "memory": _memory,
        "selective": _selective,
    }
    return common.pick(variant, choices)()


def _sample():
    pretrain = simclr.get_config("sample")
    pretrain.method.depth = 3
    tuned = finetune.get_config("sample_10")
    head = dict(name="mlp", hidden=256, dim=128, depth=3, output="hidden1")
    tuned.method.projector = dict(**head, dtype=common.dtype(tuned))
    tuned.start = ("pretrain:params",)
    tuned.fit.without = ("classifier", r"projector/(linear|bn)[23]")
    distil = finetune.get_config("sample")
    distil.method = dict(
        name="distillation",
        encoder=common.small_net(distil, widths=(16, 32, 64)),
        teacher=common.small_net(distil),
        projector=dict(**head, dtype=common.dtype(distil)),
        classes=10,
    )
    distil.optimizer = common.sample_optimizer(distil, learning_rate=2e-3)
    distil.start = ("finetune:params=extra/teacher",)
    return {"pretrain": pretrain, "finetune": tuned, "distil": distil}


def _imagenet(percent: int):
    tuned = finetune.get_config(f"simclr_v2_{percent}")
    tuned.start = ("pretrain:params",)
    distil = _distil(tuned, tuned.method.encoder.to_dict())
    return {"pretrain": simclr.get_config("v2"), "finetune": tuned, "distil": distil}


def _memory():
    return {**_imagenet(10), "pretrain": simclr_memory.get_config("imagenet")}


def _selective():
    net, pretrain = dict(name="resnet50", **SELECTIVE), simclr.get_config("v2")
    start = dict(conv_init="lecun", bn_unbiased=False)
    pretrain.method.encoder = dict(**net, **start, dtype=common.dtype(pretrain))
    tuned = finetune.get_config("simclr_v2_10")
    tuned.method.encoder = dict(**net, dtype=common.dtype(tuned))
    tuned.optimizer.learning_rate = 0.002 * 32  # with selective kernels
    tuned.start = ("pretrain:params",)
    itself = _distil(tuned, net)
    distil = _distil(tuned, dict(name="resnet50"), temperature=1.0)
    del distil.method.projector  # the student of itself has none
    distil.start = ("self_distil:params=extra/teacher",)
    return {
        "pretrain": pretrain,
        "finetune": tuned,
        "self_distil": itself,
        "distil": distil,
    }


def _distil(tuned, encoder: dict, *, temperature: float = 0.1):
    """The same recipe for longer; no label is read.

    The temperature is 0.1 for a student of the teacher's size and 1 for a smaller one.
    """
    config = finetune.get_config("simclr_v2_100")
    config.update(epochs=400, batch_size=4096)
    config.method = dict(
        name="distillation",
        encoder={**encoder, "dtype": common.dtype(config)},
        teacher={**tuned.method.encoder, "dtype": common.dtype(config)},
        projector={**tuned.method.projector, "dtype": common.dtype(config)},
        classes=finetune.CLASSES,
        temperature=temperature,
    )
    config.optimizer = simclr.large_lars(config)
    config.start = ("finetune:params=extra/teacher",)
    config.fit.without = ()
    return config
