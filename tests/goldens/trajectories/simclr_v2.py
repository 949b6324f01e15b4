"""SimCLR v2: pretraining as SimCLR's, fine-tuning, distillation."""

from __future__ import annotations

from sslax import methods, models, optim, schedules
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed
from tests.goldens.trajectories.simclr import decayed, optimizer, simclr

_LAYERS = [f"{kind}{i}" for i in range(1, 10) for kind in ("conv", "linear", "bn")]
NAMES = Names(
    {
        f"{group}.{x}": f"{group}/{x}"
        for group in ("encoder", "projector")
        for x in _LAYERS
    }
    | {"supervised": "classifier/linear1", "classifier": "classifier/linear1"}
)


def simclr_v2(case):
    if "mode" not in case["hyper"]:
        return _distilled(case)
    modes = {"pretrain": simclr, "finetune": _tuned}
    return choice(case["hyper"], "mode", modes)(case)


def _encoder(stored):
    widths = [len(stored[f"encoder.conv{i}.weight"]) for i in (1, 2)]
    return models.convnet(widths=widths, strides=(2, 2), bn_unbiased=False)


def _tuned(case):
    """From a layer of the head on; the layers above it still run, for nothing."""
    hyper, stored = case["hyper"], steps.initial(case, "online")
    choice(hyper, "zero_init", {True: None})
    method = methods.classifier(
        _encoder(stored),
        classes=len(stored["supervised.bias"]),
        projector=_head(stored, hyper["selector"], hyper["layers"]),
        head_init="zeros",
    )
    method = decayed(method, hyper, head="classifier")
    batches = {
        "views": (steps.inputs(case, "view0"),),
        "label": steps.inputs(case, "label"),
    }
    steps.agree(case, "temperature", hyper["T"])  # of pretraining
    params, extra = steps.blank(method, steps.first(batches))
    params, stats = NAMES.read(stored, params, extra["stats"])
    tx = optimizer(case, head="classifier")
    above = range(hyper["selector"] + 1, hyper["layers"] + 1)
    if hyper["optimizer"] == "lars" and above:
        # Without a gradient there is no update, decay included.
        names = "|".join(map(str, above))
        tx = optim.frozen(tx, match=(rf"projector/(linear|bn)({names})/",))
    metrics, state = steps.run(
        method, {"supervised": tx}, batches, params, {"stats": stats}
    )
    online = NAMES.write(state.params, state.extra["stats"], stored)
    supervised, decay = metrics["supervised/value"], metrics["supervised/decay"]
    return {
        "loss": supervised + decay,
        "supervised_loss": supervised,
        "weight_decay_loss": decay,
        "final": prefixed(online, "online/"),
    }


def _head(stored, layer, depth):
    """All of the head, of which a hidden layer comes out (0: what went in)."""
    last = stored[f"projector.linear{depth}.weight"]
    options = {"hidden": last.shape[1], "depth": depth, "bn_unbiased": False}
    whole = models.mlp(dim=len(last), last_norm="scale", last_bias=False, **options)
    cut = models.mlp(output=f"hidden{layer}", **options) if 0 < layer < depth else None

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del key, order
        out, new = whole.apply(params, stats, x, train=train)
        if cut is not None:
            out, _ = cut.apply(params, stats, x, train=train)
        return (out if layer else x), new

    return Net(whole.init, apply)


def _distilled(case):
    hyper, stored = case["hyper"], steps.initial(case, "student")
    taught = steps.initial(case, "teacher")
    student = _encoder(stored)
    if not hyper["train"]:
        student = _in_inference_mode(student)
    method = methods.distillation(
        student,
        _encoder(taught),
        classes=len(stored["classifier.bias"]),
        temperature=hyper["T"],
    )
    steps.agree(case, "temperature", hyper["T"])
    batches = {"views": (steps.inputs(case, "view0"),)}
    params, extra = steps.blank(method, steps.first(batches))
    teacher, teacher_stats = NAMES.read(
        taught, extra["teacher"], extra["teacher_stats"]
    )
    params, stats = NAMES.read(stored, params, extra["stats"])
    extra = {"stats": stats, "teacher": teacher, "teacher_stats": teacher_stats}
    tx = {"distillation": _lars(case)}
    metrics, state = steps.run(method, tx, batches, params, extra)
    student = NAMES.write(state.params, state.extra["stats"], stored)
    return {
        "loss": metrics["distillation/loss"],
        "final": prefixed(student, "student/"),
    }


def _in_inference_mode(net):
    """The released notebook never tells the student that it is trained."""

    def apply(params, stats, *inputs, train=False, key=None, **options):
        del train
        return net.apply(params, stats, *inputs, key=key, **options)

    return Net(net.init, apply)


def _lars(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(case["optimizer"], "name", {"LARS (classic)": optim.lars})
    steps.same(
        momentum=(given["momentum"], hyper["mu"]),
        decay=(given["weight_decay"], hyper["wd"]),
    )
    schedule = schedules.warmup_cosine(steps=hyper["total"])
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["wd"])
    steps.agree(case, "momentum", hyper["mu"])
    return optim.lars(
        learning_rate=hyper["lr"],
        schedule=schedule,
        momentum=hyper["mu"],
        weight_decay=hyper["wd"],
        trust=given["trust"],
        exclude="rank_one",
    )


TRAJECTORIES = {"simclr_v2": simclr_v2}
NOT_READ = {
    "simclr_v2": {
        "hyper.lineareval": "of pretraining",
        "optimizer.args.trust": "of LARS",
        "hyper.selector": "the layer that fine-tuning takes",
        "hyper.zero_init": "of fine-tuning's logits",
    }
}
