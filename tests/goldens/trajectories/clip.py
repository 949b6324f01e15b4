"""CLIP's training step, as open_clip has it."""

from __future__ import annotations

import math
import re

import jax.numpy as jnp

from sslax import calls, convert, methods, models, optim, schedules
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.mae import depth
from tests.goldens.trajectories.names import Names

VISUAL = "visual."
CONVNET = Names(
    {f"encoder.{x}": f"encoder/{x}" for x in ("conv1", "bn1", "conv2", "bn2")}
    | {"proj": "projector/linear1"}
)
# Both rules leave out gains, biases, the scale and the class token.
ALWAYS = ("rank_one", "^scale/", "cls_token")


def clip(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    batches = {"views": (steps.inputs(case, "view0"),)}
    batches["text"] = steps.inputs(case, "text")
    steps.same(
        batch=(batches["text"].shape[1], hyper["batch"]),
        steps=(len(batches["text"]), hyper["K"]),
        start=(stored["logit_scale"], hyper["initial_log_scale"]),
        least=(hyper["clamp"][0], 0.0),
    )
    text = _named(_text(case, stored), steps.first(batches["text"]))
    visual = {k.removeprefix(VISUAL): x for k, x in stored.items() if VISUAL in k}
    image, parts, read, write = _image(case, visual, steps.first(batches["views"]))
    method = methods.clip(
        image,
        calls.build(text["model"], Net),
        largest=math.exp(hyper["clamp"][1]),
        **parts,
    )
    params, extra = steps.blank(method, steps.first(batches))
    own, stats = read(visual, params, extra["stats"])
    params = {
        **own,
        "text": convert.from_torch(stored, prefix="", **text)[0],
        "scale": {"log_scale": stored["logit_scale"]},
    }
    extra = {"stats": {**extra["stats"], **stats}}
    metrics, state = steps.run(method, {"ssl": _adamw(case)}, batches, params, extra)
    final = write(state.params, state.extra["stats"], visual)
    final = {f"{VISUAL}{name}": value for name, value in final.items()}
    final |= convert.to_torch(state.params["text"], {}, **text)
    final["logit_scale"] = state.params["scale"]["log_scale"]
    return {
        "loss": metrics["ssl/loss"],
        "log_scale": jnp.log(metrics["ssl/scale"]),
        "final": {f"online/{name}": value for name, value in final.items()},
    }


def _said(case, tower, name):
    """A number of a tower, which only the description has."""
    inner = re.search(rf"{tower}=dict\((.*?)\)", case["network"])[1]
    return int(re.search(rf"\b{name}=(\d+)", inner)[1])


def _text(case, stored):
    words, width = stored["token_embedding.weight"].shape
    return {
        "name": "clip_text",
        "dim": stored["text_projection"].shape[1],
        "words": words,
        "context": len(stored["positional_embedding"]),
        "width": width,
        "depth": depth(stored, r"transformer\.resblocks"),
        "heads": _said(case, "text", "heads"),
    }


def _named(call, given):
    """How to read and write the parameters of a network by their names."""
    return {"model": call, "source": "torch", "inputs": (given,)}


def _image(case, stored, views):
    """The image tower: a transformer with its projection, or a convolutional net."""
    if "class_embedding" not in stored:
        widths = [len(stored[f"encoder.conv{i}.weight"]) for i in (1, 2)]
        head = models.linear(dim=len(stored["proj.weight"]), bias=False)
        encoder = models.convnet(widths=widths, strides=(2, 2))

        def read(arrays, params, stats):
            own = {k: params[k] for k in ("encoder", "projector")}
            return CONVNET.read(arrays, own, {k: stats[k] for k in own})

        return encoder, {"projector": head}, read, CONVNET.write
    width, dim = stored["proj"].shape
    call = {
        "name": "clip_vit",
        "dim": dim,
        "width": width,
        "depth": depth(stored, r"transformer\.resblocks"),
        "heads": width // _said(case, "vision", "head_width"),
        "patch_size": stored["conv1.weight"].shape[-1],
    }
    named = _named(call, views[0])

    def read_vit(arrays, params, stats):
        del params
        return {"encoder": convert.from_torch(arrays, prefix="", **named)[0]}, stats

    def write_vit(params, stats, like):
        del stats, like
        return convert.to_torch(params["encoder"], {}, **named)

    return calls.build(call, Net), {}, read_vit, write_vit


def _adamw(case):
    hyper = case["hyper"]
    make = choice(case["optimizer"], "name", {"torch.optim.AdamW": optim.adamw})
    given, groups = case["optimizer"]["args"], case["optimizer"]["groups"]
    decayed = {"positional_embedding" in name for name in groups["decayed"]}
    # Positions are decayed by the old rule; the list and the sentence say which it is.
    positions = "legacy" in groups["rule"]
    if positions != (True in decayed):
        raise ValueError(f"the rule {groups['rule']!r} is not what is decayed")
    steps.same(rate=(given.get("lr", hyper["lr"]), hyper["lr"]))
    warmup = hyper["warmup"]
    schedule = schedules.warmup_cosine(
        steps=hyper["total_steps"],
        warmup=warmup,
        start=1 / max(warmup, 1),
        inclusive=True,
    )
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", hyper["weight_decay"])
    b1, b2 = given["betas"]
    return make(
        learning_rate=hyper["lr"],
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        weight_decay=hyper["weight_decay"],
        exclude=ALWAYS if positions else (*ALWAYS, "pos_embed"),
        clip=hyper["clip_grad_norm"],
    )


TRAJECTORIES = {"clip": clip}
NOT_READ = {"clip": {"hyper.schedule": "a sentence; what each step used is compared"}}
UNDETERMINED = {
    "clip": {"*.attn.in_proj_bias": "a key's bias shifts all logits of a query"}
}
