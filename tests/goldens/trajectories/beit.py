"""BEiT's pretraining step."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np

from sslax import calls, convert, losses, methods, optim, schedules
from sslax.core import Net
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

HEAD = Names({"lm_head": "head/linear1"})
# Pixels come as the tokenizer reads them; the method maps them itself.
MAPPED = 0.1


def beit(case):
    hyper, stored = case["hyper"], steps.initial(case, "online")
    tokenizer = steps.initial(case, "tokenizer")
    batches, nets = _batches(case), _tokenizer(tokenizer, hyper["vocabulary"])
    first = steps.first(batches)
    call = _encoder(case["network"], stored)
    told = [calls.build(net, Net) for net in nets.values()] or [as_given()]
    method = methods.beit(
        calls.build({**call, "output": "tokens"}, Net),
        *told[:1],
        patch_size=call["patch_size"],
        words=hyper["vocabulary"],
        decoder=dict(enumerate(told)).get(1),
    )
    params, extra = steps.blank(method, first)
    options = {"model": call, "source": "torch", "inputs": first["views"]}
    body = {k: v for k, v in stored.items() if not k.startswith("lm_head.")}
    head = {k: v for k, v in stored.items() if k not in body}
    encoder, _, _ = convert.from_torch(body, prefix="", **options)
    params = {"encoder": encoder} | HEAD.read(head, {"head": params["head"]}, {})[0]
    extra = {**extra, "tokenizer": _frozen(tokenizer, nets, first, extra)}
    _check_codes(case, extra, batches, told[0])
    metrics, state = steps.run(
        method, {"ssl": _optimizer(case)}, batches, params, extra
    )
    final = convert.to_torch(state.params["encoder"], {}, **options)
    final |= HEAD.write({"head": state.params["head"]}, {}, head)
    return {
        "loss": metrics["ssl/loss"],
        "accuracy": metrics["ssl/accuracy"],
        "grad_norm": metrics["ssl/grad_norm"],
        "final": prefixed(final, "online/"),
    }


def as_given():
    """The tokenizer of a case whose tokens are given: one-hot, for a rendering."""
    return Net(lambda key, x: ({}, {}), lambda params, stats, x, **options: (x, stats))


def _encoder(network, stored):
    """The call of the transformer; its heads are only in the description."""
    found = [re.match(r"blocks\.(\d+)\.", name) for name in stored]
    kernel = stored["patch_embed.proj.weight"]
    table = "relative_position_bias_table"
    tables = {"shared": f"rel_pos_bias.{table}", "block": f"blocks.0.attn.{table}"}
    width = kernel.shape[0]
    return {
        "name": "vit",
        "width": width,
        "patch_size": kernel.shape[-1],
        "depth": 1 + max(int(match[1]) for match in found if match),
        "heads": int(re.search(r"\bnum_heads=(\d+)", network)[1]),
        "mlp_ratio": len(stored["blocks.0.mlp.fc1.bias"]) / width,
        "positions": "learned" if "pos_embed" in stored else "none",
        "relative": next((k for k, name in tables.items() if name in stored), None),
        "qkv_bias": "qv" if "blocks.0.attn.q_bias" in stored else False,
        "layer_scale": 0.1 if "blocks.0.gamma_1" in stored else None,
        "mask_token": True,
    }


def _tokenizer(stored, words):
    """The calls of its encoder and decoder; none where the tokens are given."""
    if not stored:
        return {}
    strided = [name for name in stored if re.match(r"encoder\.\d+\.0\.weight", name)]
    size = {"width": len(stored["encoder.0.0.bias"]), "depth": len(strided)}
    rows, code_dim = stored["codebook.weight"].shape
    steps.same(words=(rows, words))
    return {
        "encoder": {"name": "dvae_encoder", **size, "words": words},
        "decoder": {"name": "dvae_decoder", **size, "code_dim": code_dim},
    }


def _frozen(stored, nets, batch, extra):
    if not nets:
        return extra["tokenizer"]
    image = batch["rendering"]
    grid = [side // 2 ** nets["encoder"]["depth"] for side in image.shape[1:3]]
    words = jax.ShapeDtypeStruct((1, *grid, nets["encoder"]["words"]), image.dtype)
    inputs = {"encoder": (image,), "decoder": (words,)}
    return {
        part: convert.from_torch(
            stored, model=call, source="torch", inputs=inputs[part], prefix=""
        )[0]
        for part, call in nets.items()
    }


def _batches(case):
    hyper = case["hyper"]
    image, mask = steps.inputs(case, "view0"), steps.inputs(case, "mask")
    steps.same(batch=(image.shape[1], hyper["batch"]))
    if steps.has(case, "in/view1"):
        drawn = (steps.inputs(case, "view1") - MAPPED) / (1 - 2 * MAPPED)
    else:
        label = steps.inputs(case, "label")
        side = round(label.shape[-1] ** 0.5)
        drawn = np.eye(hyper["vocabulary"], dtype=image.dtype)[label]
        drawn = drawn.reshape(*label.shape[:2], side, side, -1)
    return {"views": (image,), "mask": mask, "rendering": drawn}


def _check_codes(case, extra, batches, tokenizer):
    """The tokens of the case are those that the tokenizer gives."""
    label = steps.inputs(case, "label")
    told = extra["tokenizer"].get("encoder", {})
    drawn = batches["rendering"].reshape(-1, *batches["rendering"].shape[2:])
    found, _ = tokenizer.apply(told, {}, losses.map_pixels(jnp.asarray(drawn)))
    if not np.array_equal(found.argmax(axis=-1).ravel(), label.ravel()):
        raise ValueError("the tokens of the case are not those of its tokenizer")


def _optimizer(case):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(case["optimizer"], "name", {"AdamW": optim.adamw})
    per_epoch, total = hyper["steps_per_epoch"], hyper["total_steps"]
    steps.same(
        lr=(given["lr"], hyper["lr"]),
        decay=(given["weight_decay"], hyper["wd"]),
        total=(total, hyper["epochs"] * per_epoch),
        steps=(hyper["epochs_run"] * per_epoch, steps.count(case)),
    )
    if hyper["warmup_steps"] > 0:
        steps.same(warmup=(hyper["warmup"], hyper["warmup_steps"]))
    schedule = schedules.warmup_cosine(
        steps=total,
        warmup=hyper["warmup"],
        end=hyper["min_lr"] / hyper["lr"],
        inclusive=True,
    )
    last = hyper["wd"] if hyper["wd_end"] is None else hyper["wd_end"]
    decay = schedules.cosine(start=hyper["wd"], end=last, steps=total)
    begun = hyper["start"] * per_epoch
    schedule, decay = (steps.later(x, begun) for x in (schedule, decay))
    steps.agree(case, "lr", lambda k: hyper["lr"] * schedule(k))
    steps.agree(case, "weight_decay", decay)
    steps.agree(case, "clip", hyper["clip"] or 0.0)
    b1, b2 = given["betas"]
    return optim.adamw(
        learning_rate=hyper["lr"],
        schedule=schedule,
        b1=b1,
        b2=b2,
        eps=given["eps"],
        weight_decay=decay,
        exclude=("rank_one", "cls_token", "pos_embed"),
        clip=hyper["clip"],
    )


TRAJECTORIES = {"beit": beit}
NOT_READ = {
    "beit": {
        "hyper.warmup_lr": "parsed by the official code and never used",
        "hyper.warmup_epochs": "said in steps too",
    }
}
SKIPPED = {"beit": {"*relative_position_index": "a table of integers"}}
