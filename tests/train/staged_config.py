"""Stages of seconds: SimCLR on drawn shapes, a probe of it, a student of the probe."""

from tests.train import tiny_config


def get_stages():
    pretrain = tiny_config.get_config()
    pretrain.epochs = 1
    probe, student = (tiny_config.get_config() for _ in range(2))
    view = dict(name="one_view", view=dict(name="view", size=16))
    encoder = pretrain.method.encoder.to_dict()
    for config in (probe, student):
        config.epochs = 1
        config.views = view
        config.evaluate.every = 0
    probe.method = dict(name="classifier", encoder=encoder, classes=8, frozen=True)
    probe.start = ("pretrain",)
    student.method = dict(
        name="distillation", encoder=encoder, teacher=encoder, classes=8
    )
    student.start = ("probe:params=extra/teacher",)
    return {"pretrain": pretrain, "probe": probe, "student": student}
