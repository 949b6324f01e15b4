"""The wiring of CLIP and SigLIP: two towers, images and texts in one space."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from sslax.arrays import at_least_float32, unit
from sslax.checks import check_rank
from sslax.core import Aux, Batch, Method, Net, Output, compared
from sslax.methods._inner import inner_output
from sslax.nets import chain, features_of, main_output, readings, views_of

__all__ = ["paired"]


def paired(
    encoder: Net,
    text: Net,
    projector: Net | None,
    *,
    start: Mapping[str, float],
    loss: Callable[..., Array],
    features: str | None,
    after_update: Callable[..., tuple],
) -> Method:
    """Images and texts, each through a tower of its own, and a loss of all pairs.

    Args:
      encoder: images to features [b e].
      text: texts, int32 [b n], to the shared space [b d].
      projector: features to the shared space; None where the encoder ends there.
      start: what is learned beside the towers, by name: "log_scale" and others.
      loss: `(image [b d], text [b d], **learned) -> scalar`.
      features: the output of the encoder that is evaluated.
      after_update: see `core.Method`.

    Returns:
      A method with groups "encoder", "text", "scale" and, if there is one, "projector".
    """
    parts = {"encoder": encoder} | (
        {} if projector is None else {"projector": projector}
    )
    net, last = chain(**parts), list(parts)[-1]
    shown = inner_output(encoder, features)

    def init(key, batch):
        image_key, text_key = jax.random.split(key)
        params, stats = net.init(image_key, views_of(batch, 1, least=2)[0])
        words, text_stats = text.init(text_key, texts_of(batch))
        learned = {name: jnp.float32(value) for name, value in start.items()}
        params |= {"text": words, "scale": learned}
        return params, {"stats": {**stats, "text": text_stats}}

    def embed(params, extra, batch, *, key, step):
        del step
        (view,), keys = views_of(batch, 1, least=2), jax.random.split(key)
        stats = extra["stats"]
        out, new = net.apply(params, stats, view, train=True, key=keys[0])
        words, own = text.apply(
            params["text"], stats["text"], texts_of(batch), train=True, key=keys[1]
        )
        pair = main_output(parts[last], out[last]), main_output(text, words)
        return pair, {"stats": {**new, "text": own}}

    def compare(params, extra, batch, pair, *, key, step):
        del batch, key, step
        learned = params["scale"]
        metrics = {"scale": jnp.exp(learned["log_scale"])}
        metrics |= {k: v for k, v in learned.items() if k != "log_scale"}
        return loss(*pair, **learned), Aux(extra, metrics)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs={
            **readings(net, "encoder", encoder),
            "features": features_of(net, "encoder", shown),
            "image": _of_images(net, last, parts[last]),
            "text": _of_texts(text),
        },
        after_update=after_update,
    )


def texts_of(batch: Batch) -> Int[Array, "b n"]:
    """The texts of a batch, checked as a loss is traced: before the first step."""
    if "text" not in batch:
        raise ValueError(
            "the batch has no texts: give data with captions, as captioned:/path or "
            "shards:/path, and what makes numbers of them, "
            f"--config.data.tokenizer.name=byte_pairs; the batch has {sorted(batch)}"
        )
    check_rank(2, text=batch["text"])
    return batch["text"]


def _of_images(net: Net, name: str, part: Net) -> Output:
    """Images in the shared space, of length 1."""
    read = features_of(net, name)

    def images(params, extra, batch, *, key):
        return unit(main_output(part, read(params, extra, batch, key=key)))

    return images


def _of_texts(text: Net) -> Output:
    """Texts in the shared space; their product with an image is a logit."""

    def texts(params, extra, batch, *, key):
        del key
        given = texts_of(batch), extra["stats"]["text"]
        out, _ = text.apply(params["text"], given[1], given[0])
        scale = at_least_float32(params["scale"]["log_scale"])
        return jnp.exp(scale) * unit(main_output(text, out))

    return texts
