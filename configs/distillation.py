"""SimCLR v2's three stages: pretrain, fine-tune on few labels, distil on all images.

Chen et al., 2020, arXiv:2006.10029. Variants: `sample` (the demo's SimCLR, 10 % of the
labels of the bundled sample, a student half as wide), `imagenet` (ResNet-50 with a head
of three layers, 10 % of the labels, then itself; 68.4 % before the distillation).

    sslax pretrain --config=configs/distillation.py --workdir=/tmp/stages
"""

from configs import common, finetune, simclr


def get_stages(variant: str = "sample"):
    """Three configs, each of which starts from the one before."""
    return common.pick(variant, {"sample": _sample, "imagenet": _imagenet})()


def _sample():
    pretrain = simclr.get_config("sample")
    tuned = finetune.get_config("sample_10")
    tuned.start = ("pretrain",)
    distil = finetune.get_config("sample")
    teacher = pretrain.method.encoder.to_dict()
    distil.method = dict(
        name="distillation",
        encoder={**teacher, "widths": (16, 32, 64)},
        teacher=teacher,
        classes=10,
    )
    distil.optimizer = dict(
        name="adamw",
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule=common.warmup_cosine(distil, warmup_epochs=1),
    )
    distil.start = ("finetune:params=extra/teacher",)
    return {"pretrain": pretrain, "finetune": tuned, "distil": distil}


def _imagenet():
    pretrain = simclr.get_config("imagenet")
    pretrain.epochs = 800
    pretrain.method.depth = 3
    pretrain.optimizer = _large_lars(pretrain)
    tuned = finetune.get_config("simclr_v2_10")
    tuned.start = ("pretrain:params",)
    # No label is read, and the same recipe for longer.
    distil = finetune.get_config("simclr_v2_100")
    distil.update(epochs=400, batch_size=4096)
    teacher = tuned.method
    distil.method = dict(
        name="distillation",
        encoder=teacher.encoder.to_dict(),
        teacher=teacher.encoder.to_dict(),
        projector=teacher.projector.to_dict(),
        classes=finetune.CLASSES,
        temperature=0.1,  # of the teacher's size; 1 for a smaller student
    )
    distil.optimizer = _large_lars(distil)
    distil.start = ("finetune:params=extra/teacher",)
    distil.fit.without = ()
    return {"pretrain": pretrain, "finetune": tuned, "distil": distil}


def _large_lars(config) -> dict:
    """The root of the batch scales the rate; the warm-up is a twentieth."""
    return dict(
        name="lars",
        learning_rate=0.1 * 64,
        weight_decay=1e-4,
        schedule=common.warmup_cosine(config, warmup_epochs=int(config.epochs) // 20),
    )
