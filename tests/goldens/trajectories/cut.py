"""CUT's and FastCUT's training steps."""

from __future__ import annotations

import re

import numpy as np

from sslax import methods, models, optim, schedules
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

TAPS = ("padded", "down1", "down2", "block1", "block5")
GROUPS = ("generator", "discriminator", "heads")


def cut(case):
    hyper = case["hyper"]
    stored = {}
    for group in GROUPS:
        stored |= prefixed(steps.initial(case, group), f"{group}/")
    blurs = {k: v for k, v in stored.items() if k.endswith(".filt")}
    stored = {k: v for k, v in stored.items() if k not in blurs}
    blocks = _count(stored, r"generator/model\.\d+\.conv_block\.1\.weight")
    layers = _count(stored, r"discriminator/model\.\d+\.weight") - 2
    last = stored["heads/mlp_0.2.weight"]
    method = methods.cut(
        models.resnet_generator(
            width=len(stored["generator/model.1.weight"]),
            blocks=blocks,
            channels=len(stored[f"generator/model.{_last(blocks)}.weight"]),
            output=("image", *TAPS),
            conv_impl="lax",  # as good, and compiled sooner
        ),
        models.patch_discriminator(
            width=len(stored["discriminator/model.0.weight"]),
            layers=layers,
            conv_impl="lax",
        ),
        models.patch_heads(hidden=last.shape[1], dim=len(last)),
        taps=TAPS,
        patches=hyper["patches"],
        temperature=hyper["temperature"],
        weight=hyper["lambda_NCE"],
        gan_weight=hyper["lambda_GAN"],
        identity=hyper["nce_idt"],
        whole_batch=hyper["negatives_from_minibatch"],
    )
    batches = _batches(case)
    params, extra = steps.blank(method, steps.first(batches))
    names = Names(_layers(blocks, layers))
    params, _ = names.read(stored, params, {})
    txs = dict.fromkeys(method.objectives, _optimizer(case))
    metrics, state = steps.run(method, txs, batches, params, extra)
    out = {
        "loss": metrics["generator/loss"],
        "loss_G_GAN": metrics["generator/gan"],
        "loss_NCE": metrics["generator/nce"],
        "loss_D": metrics["discriminator/loss"],
        "loss_D_real": metrics["discriminator/real"],
        "loss_D_fake": metrics["discriminator/fake"],
        "final": names.write(state.params, {}, stored) | blurs,
    }
    if hyper["nce_idt"]:
        out["loss_NCE_Y"] = metrics["generator/nce_identity"]
    return out


def _count(stored, pattern):
    return sum(bool(re.fullmatch(pattern, name)) for name in stored)


def _last(blocks):
    """The number of the generator's last convolution among its modules."""
    return 12 + blocks + 9


def _layers(blocks, layers):
    """Modules by number, norms and blurs counted."""
    numbers = {1: "first", 4: "down1", 8: "down2", _last(blocks): "last"}
    numbers |= {12 + blocks + 1: "up1", 12 + blocks + 5: "up2"}
    found = {f"generator/model.{k}": f"generator/{v}" for k, v in numbers.items()}
    for i in range(blocks):
        start = f"generator/model.{12 + i}.conv_block"
        found |= {
            f"{start}.{k}": f"generator/block{i + 1}_conv{j}"
            for j, k in ((1, 1), (2, 5))
        }
    judged = {0: "conv1", 3 + 4 * layers - 1: "logits"}
    judged |= {3 + 4 * i: f"conv{i + 2}" for i in range(layers)}
    found |= {
        f"discriminator/model.{k}": f"discriminator/{v}" for k, v in judged.items()
    }
    return found | {
        f"heads/mlp_{i}.{theirs}": f"heads/head{i + 1}_linear{ours}"
        for i in range(len(TAPS))
        for theirs, ours in ((0, 1), (2, 2))
    }


def _batches(case):
    hyper = case["hyper"]
    views = steps.inputs(case, "view0"), steps.inputs(case, "view1")
    steps.same(
        batch=(views[0].shape[1], hyper["batch"]), steps=(len(views[0]), hyper["K"])
    )
    batches = {"views": views, "places": steps.inputs(case, "patch_ids")}
    if hyper["flip_equivariance"]:
        turned = steps.inputs(case, "flip").astype(bool)
        batches["flipped"] = np.repeat(turned[:, None], hyper["batch"], axis=1)
    return batches


def _optimizer(case):
    """One for each objective: that of the generator and the heads is theirs alike."""
    hyper, given = case["hyper"], case["optimizer"]["args"]
    name = "torch.optim.Adam x3 (generator, discriminator, heads)"
    make = choice(case["optimizer"], "name", {name: optim.adam})
    line = schedules.ramp(
        start=1.0,
        end=0.0,
        steps=hyper["n_epochs_decay"] + 1,
        delay=hyper["n_epochs"] - 1,
    )
    schedule = schedules.by_epoch(
        schedule=line, steps_per_epoch=hyper["steps_per_epoch"]
    )
    for used in ("lr", "lr_discriminator", "lr_heads"):
        steps.agree(case, used, lambda k: hyper["lr"] * schedule(k))
    b1, b2 = given["betas"]
    return make(
        learning_rate=hyper["lr"], schedule=schedule, b1=b1, b2=b2, eps=given["eps"]
    )


TRAJECTORIES = {"cut": cut}
# Adam makes steps of its rounding errors, which are larger the smaller the weights: of
# 1e-5 in float64 where they start small, as released.
SKIPPED = {"cut": {"generator/model.1.bias": "instance norm takes it out again"}}
NOT_READ = {"cut": {"hyper.init_gain": "weights are given"}}
# Biases in front of an instance norm have no gradient. Of what the contrast reaches,
# float64 alone decides: in float32 rounding turns a unit of the narrow heads on or off,
# and the sign of a small gradient, of which Adam makes a step like any other.
UNDETERMINED = {
    "cut": dict.fromkeys(
        (
            "generator/*",
            "heads/*",
            "discriminator/model.3.bias",
            "discriminator/model.7.bias",
        ),
        "moved by rounding",
    )
}
STRAYING = {"cut": "Adam steps by the sign of gradients that are rounding errors"}
