"""iBOT: a teacher of whole crops tells what the masked patches of a crop are."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import losses, memory, models
from sslax.arrays import value_at
from sslax.checks import check_not_negative, check_positive, check_probability
from sslax.core import Aux, Batch, Method, Net, compared
from sslax.methods._crops import by_image
from sslax.methods._teacher import entropy, of_teacher
from sslax.nets import by_size, chain, fold, main_output, readings, unfold, views_of
from sslax.schedules import Schedule

__all__ = ["ibot"]


def ibot(
    encoder: Net,
    *,
    dim: int = 8192,
    shared: bool = True,
    hidden: int = 2048,
    bottleneck: int = 256,
    with_gain: bool = True,
    momentum: Schedule | float = 0.996,
    student_temperature: float = 0.1,
    teacher_temperature: Schedule | float = 0.04,
    patch_temperature: Schedule | float = 0.04,
    centre_momentum: float = 0.9,
    class_weight: float = 1.0,
    patch_weight: float = 1.0,
    masked_from: int = 0,
) -> Method:
    """DINO on class tokens, and its teacher's patch tokens for the masked patches.

    The student sees the first two views with their masked patches replaced, the teacher
    sees them whole; small views are the student's, whole, and reach the class tokens
    alone. The teacher is the moving average of the student, without the token of masked
    patches. Class tokens and patches have a centre each. The last layer rests in the
    first epoch by the optimizer: `optim.frozen(..., match=("prototypes",), steps=...)`.

    Args:
      encoder: `(images, None, mask | None) -> {"pooled": [b d], "map": [b h w d]}`, of
        the sizes of all crops: `models.vit(..., mask_token=True, resize="factor",
        output=("pooled", "map"))`, or a `models.swin` with `masked="token"` and the
        `image_size` of the large crops.
      dim: the number of prototypes, the classes that the teacher makes up.
      shared: class tokens and patches share the last layer of the student's head. The
        teacher's do in any case.
      hidden: width of the head.
      bottleneck: dimension of the sphere before the prototypes.
      with_gain: the length of each prototype is learned, as released.
      momentum: of the teacher, a number or a schedule; the paper's is
        `schedules.cosine(start=0.996, end=1.0, steps=...)`.
      student_temperature: of the predictions.
      teacher_temperature: of the targets of class tokens, a number or a schedule.
      patch_temperature: of the targets of patches, a number or a schedule.
      centre_momentum: of both centres.
      class_weight: of the loss of class tokens.
      patch_weight: of the loss of masked patches.
      masked_from: the first step with masks; the released Swin starts at epoch 50.

    Returns:
      A method with groups "encoder" and "head", for batches of `views.masked_crops`.
      What is evaluated is the teacher. It logs both losses and the mean entropies of
      the targets: near 0 or log(dim) the teacher has collapsed.

    Raises:
      ValueError: if a temperature, momentum or weight is out of range or the encoder
        gives no map; and, when it is called, if there are fewer than two views, no
        masks, or masks that the map does not divide.

    Note:
      As released: images without masked patches stay in the mean of the patch loss; the
      centre of patches is of all patches, masked or not; the token of masked patches
      starts at 0. With two last layers the released teacher starts as the one of the
      patches, by the order of loading, and follows that of class tokens; here it starts
      as what it follows.

    Example:
      >>> vit = models.vit_tiny(
      ...     patch_size=4, mask_token=True, output=("pooled", "map")
      ... )
      >>> method = ibot(vit, dim=256, hidden=128, bottleneck=32)

    References:
      Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer, 2021,
      arXiv:2111.07832, equations 2 and 3, algorithm 1.
    """
    check_positive(
        student_temperature=student_temperature,
        teacher_temperature=value_at(teacher_temperature, 0),
        patch_temperature=value_at(patch_temperature, 0),
    )
    check_probability(centre_momentum=centre_momentum)
    check_not_negative(
        class_weight=class_weight, patch_weight=patch_weight, masked_from=masked_from
    )
    _check_outputs(encoder)
    sizes = dict(dim=dim, hidden=hidden, bottleneck=bottleneck, with_gain=with_gain)
    head = models.dino_head(patch_dim=0 if shared else dim, **sizes)
    online, slow = (encoder, head), (encoder, models.dino_head(patch_dim=0, **sizes))
    soft = {"student_temperature": student_temperature}

    def init(key, batch):
        view, mask = views_of(batch, 2, more=True)[0], _masks_of(batch)[:, 0]
        return _start(*online, key, view, mask, dim)

    def masks_at(step, batch):
        return _masks_of(batch) * (step >= masked_from)

    def embed(params, extra, batch, *, key, step):
        views, masks = views_of(batch, 2, more=True), masks_at(step, batch)
        found, stats = _student(*online, params, extra["stats"], views, masks, key)
        taught, teacher_stats = _pass(
            *slow, extra["teacher"], extra["teacher_stats"], views[:2]
        )
        new = {"stats": stats, "teacher_stats": teacher_stats}
        return by_image((found, taught)), new

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, key
        found, taught = by_image(embeddings)
        taught, centre = jax.lax.stop_gradient(taught), extra["centre"]
        sharp = value_at(teacher_temperature, step)
        tokens = losses.dino(
            found.tokens, taught.tokens, centre, teacher_temperature=sharp, **soft
        )
        patches = losses.ibot_patches(
            _flat(found.patches),
            _flat(taught.patches),
            _on_map(masks_at(step, batch), found.patches.shape[2:4]),
            extra["patch_centre"],
            teacher_temperature=value_at(patch_temperature, step),
            **soft,
        )
        new = _centred(extra, taught, centre_momentum)
        spread = entropy((taught.tokens - centre[None, None]) / sharp)
        logged = {"tokens": tokens, "patches": patches, "entropy": spread}
        value = class_weight * tokens + patch_weight * patches
        return value, Aux({**extra, **new}, logged)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=of_teacher(readings(chain(encoder=encoder), "encoder", encoder)),
        after_update=_follows(momentum),
    )


class _Logits(NamedTuple):
    """Of class tokens `[v b k]` and of the patches of large crops `[2 b h w k]`."""

    tokens: Array
    patches: Array


def _check_outputs(encoder):
    if "map" not in encoder.outputs:
        raise ValueError(
            f"iBOT reads the patches of its encoder, which gives "
            f"{encoder.outputs or 'one array'}; make it with output=('pooled', 'map')"
        )


def _start(
    encoder: Net, head: Net, key: Array, view: Array, mask: Array, dim: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and the rest; what hides a patch starts at 0."""
    keys = jax.random.split(key)
    own, stats = encoder.init(keys[0], view, None, mask)
    if "mask_token" in own:
        own = {**own, "mask_token": jnp.zeros_like(own["mask_token"])}
    found, _ = encoder.apply(own, stats, view)
    top, top_stats = head.init(keys[1], _tokens(encoder, found))
    params = {"encoder": own, "head": top}
    both, zeros = {"encoder": stats, "head": top_stats}, jnp.zeros((dim,), jnp.float32)
    teacher = {"teacher": _teacher_of(params), "teacher_stats": both}
    return params, {"stats": both, **teacher, "centre": zeros, "patch_centre": zeros}


def _teacher_of(params):
    """What the teacher has of the student: no masks, one last layer."""
    own = {"encoder": "mask_token", "head": "patch_prototypes"}
    return {
        group: {k: v for k, v in params[group].items() if k != without}
        for group, without in own.items()
    }


def _follows(momentum):
    """The teacher follows the student in what it has of it."""
    follow = memory.follows(("encoder", "head"), momentum=momentum)

    def after_update(params, extra, *, step):
        return params, follow(_teacher_of(params), extra, step=step)[1]

    return after_update


def _centred(extra, taught, momentum):
    """Both centres after this batch, of all class tokens and of all patches."""
    found = {"centre": taught.tokens, "patch_centre": taught.patches}
    return {
        name: memory.update_centre(extra[name], logits, momentum=momentum)
        for name, logits in found.items()
    }


def _tokens(encoder, found):
    """The class token and the patches, `[b 1+h*w d]`."""
    patches = found["map"].reshape(len(found["map"]), -1, found["map"].shape[-1])
    token = main_output(encoder, found)[:, None]
    return jnp.concatenate([token, patches.astype(token.dtype)], axis=1)


def _pass(encoder, head, params, stats, views, masks=None, key=None):
    """Trains on views of one size, each with its mask."""
    keys = (None, None) if key is None else jax.random.split(key)
    hidden = None if masks is None else masks.reshape(-1, masks.shape[-1])
    found, encoder_stats = encoder.apply(
        params["encoder"],
        stats["encoder"],
        fold(views),
        None,
        hidden,
        train=True,
        key=keys[0],
    )
    (tokens, patches), head_stats = head.apply(
        params["head"],
        stats["head"],
        _tokens(encoder, found),
        train=True,
        key=keys[1],
    )
    patches = patches.reshape(*found["map"].shape[:3], -1)
    logits = [jnp.stack(unfold(x, len(views))) for x in (tokens, patches)]
    return _Logits(*logits), {"encoder": encoder_stats, "head": head_stats}


def _student(encoder, head, params, stats, views, masks, key):
    """The masked large crops and, through their class tokens alone, the small ones."""
    keys = jax.random.split(key, 3)
    large, stats = _pass(
        encoder, head, params, stats, views[:2], masks=masks, key=keys[0]
    )
    if len(views) == 2:
        return large, stats
    found, encoder_stats = by_size(
        encoder, params["encoder"], stats["encoder"], views[2:], key=keys[1]
    )
    features = fold([main_output(encoder, one) for one in found])
    (tokens, _), head_stats = head.apply(
        params["head"], stats["head"], features[:, None], train=True, key=keys[2]
    )
    small = jnp.stack(unfold(tokens, len(views) - 2))
    every = jnp.concatenate([large.tokens, small])
    stats = {"encoder": encoder_stats, "head": head_stats}
    return _Logits(every, large.patches), stats


def _flat(maps):
    return maps.reshape(*maps.shape[:2], -1, maps.shape[-1])


def _masks_of(batch: Batch) -> Array:
    """The masks of the two large crops, `[b 2 n]`."""
    masks = batch.get("mask")
    if not isinstance(masks, tuple | list) or len(masks) != 2:
        found = "none" if masks is None else f"{len(masks)} rows"
        raise ValueError(
            "iBOT takes a mask for each of the two large crops, as views.masked_crops "
            f"makes them; got {found}"
        )
    return jnp.stack([mask.reshape(len(mask), -1) for mask in masks], axis=1)


def _on_map(masks, grid):
    """Masks `[b 2 n]` of patches on the map, which may be coarser: `[2 b h*w]`."""
    (rows, columns), (b, crops, n) = grid, masks.shape
    finer = math.isqrt(n // (rows * columns))
    if n != rows * columns * finer**2 or finer < 1:
        raise ValueError(
            f"masks of {n} patches do not lie on the encoder's map of "
            f"{rows} x {columns}; give the mask the encoder's patch_size"
        )
    fine = jnp.moveaxis(masks, 1, 0).reshape(-1, rows * finer, columns * finer)
    return losses.mask_on_grid(fine, grid=grid).reshape(crops, b, -1)
