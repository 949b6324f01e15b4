"""Evolving losses: many tasks on all modalities of video, weighed and distilled."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from sslax import models
from sslax.checks import check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.methods._evolving_terms import COPIES, TASKS, asked, distilled, heads, terms
from sslax.nets import chain, fold, main_output, readings, unfold, views_of

__all__ = ["evolving"]


def evolving(
    encoder: Net,
    *,
    flow: Net,
    grey: Net,
    sound: Net | None = None,
    decoder: Net,
    depths: Sequence[str] = (),
    hidden: int = 256,
    margin: float = 1.0,
    weights: Sequence[float] | None = None,
) -> Method:
    """Seven tasks for each modality of video, distilled into the encoder of colours.

    The tasks are reconstruction, prediction of what follows, transfer to another
    modality, whether frames are in order, whether they play forward, contrast with
    another modality, and whether that is of the same time and video. Every one has a
    weight, and so has every layer that the encoder takes over from another modality.

    Args:
      encoder: clips of colours `[b t h w 3]` to features; the main network.
      flow: the encoder of flow `[b t h w 2]`.
      grey: the encoder of grey clips `[b t h w 1]`.
      sound: the encoder of spectrograms `[b s mels 1]`, or None for video alone.
      decoder: features and an array `[b ...]` to an array of its shape, as
        `models.clip_decoder`; every modality has three.
      depths: names of outputs of all encoders that are distilled; sound, whose places
        are others, by its mean over places.
      hidden: width of the heads that tell whether two modalities are aligned.
      margin: of the contrast, on features of length 1.
      weights: where they start, at least 0; None is 1 each. For each modality (colours,
        flow, grey, sound) the seven tasks in the order above, then for each of the
        others its depths.

    Returns:
      A method with groups "encoder", "flow", "grey", "sound" and "heads", for batches
      of `views.clips`. Features are those of "encoder". The weights are the array
      `extra["weights"]`, so that others need no compilation.

    Raises:
      ValueError: if an argument makes no sense; when traced, for views of another
        number or a batch of one clip.

    Note:
      Transfer, contrast and alignment compare colours with flow and all others with
      colours; the other video is the next one of the batch, the other time that of the
      shifted copy. Clips without sound are left out of its terms. The paper does not
      state heads, margin and partners, and no code was released.

    Example:
      >>> net = lambda: models.video_resnet(width=0.125)
      >>> decoder = models.clip_decoder(width=16)
      >>> method = evolving(net(), flow=net(), grey=net(), decoder=decoder)

    References:
      Piergiovanni et al., Evolving Losses for Unsupervised Video Representation
      Learning, 2020, arXiv:2002.12177, sections 3.1 to 3.3, equations 1 and 2.
    """
    nets = {"encoder": encoder, "flow": flow, "grey": grey}
    nets |= {} if sound is None else {"sound": sound}
    start = _weights(weights, len(nets), len(depths))
    check_positive(margin=margin)
    _check_depths(nets, depths)
    answering = _answering(decoder, hidden)

    def init(key, batch):
        params, stats, features = {}, {}, {}
        clips = views_of(batch, len(nets), least=2)
        keys = jax.random.split(key, 2 * len(nets))
        for own, (name, net), clip in zip(keys, nets.items(), clips, strict=False):
            params[name], stats[name] = net.init(own, clip)
            out, _ = net.apply(params[name], stats[name], clip)
            features[name] = (main_output(net, out),) * len(COPIES)
        made = {
            name: answering.init(own, asked(features, batch, i))
            for i, (name, own) in enumerate(zip(nets, keys[len(nets) :], strict=True))
        }
        params["heads"] = {name: head for name, (head, _) in made.items()}
        stats["heads"] = {name: moved for name, (_, moved) in made.items()}
        return params, {"stats": stats, "weights": jnp.array(start, jnp.float32)}

    def embed(params, extra, batch, *, key, step):
        del step
        views_of(batch, len(nets), least=2)
        features, layers, stats = _encode(nets, depths, params, extra, batch, key)
        return (features, layers), {"stats": {**extra["stats"], **stats}}

    def compare(params, extra, batch, embeddings, *, key, step):
        del step
        features, layers = embeddings
        present = _present(batch, len(nets))
        costs, right, moved = [], {}, {}
        for i, name in enumerate(nets):
            inputs = asked(features, batch, i)
            own, stats = jax.random.fold_in(key, len(nets) + i), extra["stats"]["heads"]
            answers, moved[name] = answering.apply(
                params["heads"][name], stats[name], inputs, train=True, key=own
            )
            found, right[name] = terms(
                answers, inputs, features, present, place=i, margin=margin
            )
            costs += found
        for i, other in enumerate(list(nets)[1:], start=1):
            costs += distilled(layers["encoder"], layers[other], present[i])
        costs = jnp.stack(costs)
        value = jnp.sum(extra["weights"] * costs)
        metrics = _metrics(costs, len(nets), right["encoder"])
        new = {**extra, "stats": {**extra["stats"], "heads": moved}}
        return value, Aux(new, metrics)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=readings(chain(encoder=encoder), "encoder", encoder),
    )


def _answering(decoder: Net, hidden: int) -> Net:
    """What answers for one modality: decoders, and heads with one logit."""
    asks = {task: decoder for task in TASKS[:3]}
    asks |= {task: models.linear(dim=1) for task in ("order", "direction")}
    asks["alignment"] = models.mlp(hidden=hidden, dim=1, norm=None, bias=True)
    return heads(asks)


def _encode(nets, depths: Sequence[str], params, extra, batch, key):
    """Features of all copies and layers of the first, by modality; new statistics."""
    features, layers, new = {}, {}, {}
    for i, (name, net) in enumerate(nets.items()):
        copies, own = fold([batch[k][i] for k in COPIES]), jax.random.fold_in(key, i)
        stats = extra["stats"][name]
        out, new[name] = net.apply(params[name], stats, copies, train=True, key=own)
        features[name] = unfold(main_output(net, out), len(COPIES))
        layers[name] = {k: unfold(out[k], len(COPIES))[0] for k in depths}
    return features, layers, new


def _weights(given: Sequence[float] | None, count: int, depths: int) -> Sequence[float]:
    wanted = count * len(TASKS) + (count - 1) * depths
    weights = [1.0] * wanted if given is None else list(given)
    if len(weights) != wanted or min(weights) < 0:
        raise ValueError(
            f"weights must be {wanted} numbers of at least 0: {len(TASKS)} tasks for "
            f"each of {count} modalities, and {depths} depths for each but the first; "
            f"got {len(weights)}, the least {min(weights, default=None)}"
        )
    return weights


def _check_depths(nets, depths: Sequence[str]) -> None:
    for name, net in nets.items():
        if missing := sorted(set(depths) - set(net.outputs)):
            raise ValueError(
                f"the network {name} does not give {missing}, which are distilled; it "
                f"gives {net.outputs or 'one array'}: make it with "
                f"output=('pooled', {', '.join(map(repr, depths))})"
            )


def _present(batch, count: int):
    """By modality, 1 for the clips that have it; only sound can be missing."""
    clips = batch["views"][0]
    all_of_them = jnp.ones(len(clips), jnp.float32)
    has_sound = batch.get("has_sound", all_of_them)
    return [all_of_them] * 3 + [jnp.asarray(has_sound, jnp.float32)] * (count - 3)


def _metrics(costs, count: int, right):
    """Means of each task over the modalities, and what the main network tells."""
    tasks = costs[: count * len(TASKS)].reshape(count, len(TASKS)).mean(axis=0)
    metrics = dict(zip(TASKS, tasks, strict=True))
    if len(costs) > count * len(TASKS):
        metrics["distillation"] = costs[count * len(TASKS) :].mean()
    return metrics | {f"{task}_accuracy": share for task, share in right.items()}
