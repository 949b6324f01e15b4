"""BEiT: the words of hidden patches, which a frozen tokenizer gives, are told."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import augment, losses, models
from sslax.checks import check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.methods._painting import mask_on_patches, paint, readings_by_place
from sslax.methods._words import check_painter, decoded, scores
from sslax.nets import chain, views_of

__all__ = ["beit"]


def beit(
    encoder: Net,
    tokenizer: Net,
    *,
    patch_size: int = 16,
    words: int = 8192,
    decoder: Net | None = None,
    statistics: str | tuple | None = None,
) -> Method:
    """Hide blocks of patches and tell the visual words that stand at their places.

    The words are those of a tokenizer that sees the whole crop, drawn a second time. It
    stands in `extra["tokenizer"]`, never changes, and comes there from a run of `dvae`:
    `config.start = ("RUN:extra/teacher=extra/tokenizer",)`, or from converted weights.

    Args:
      encoder: `(images [b h w c], None, mask [b n] | None) -> tokens [b (1+)n d]`, such
        as `models.vit(mask_token=True, output="tokens", ...)`.
      tokenizer: `losses.map_pixels` of images `[b h w c]` to scores `[b i j words]`, a
        place for each patch.
      patch_size: side of a patch in pixels, the encoder's.
      words: size of the vocabulary.
      decoder: of the tokenizer, for pictures alone; it stands beside it. None paints
        nothing.
      statistics: those that the views were normalised with, so that pictures are alike.

    Returns:
      A method with groups "encoder" and "head", for batches of `views.masked` with a
      `rendering`. It logs the accuracy at the hidden patches. The features are the mean
      over the patch tokens.

    Raises:
      ValueError: if there are no words; and, when it is called, if the mask or the
        tokenizer have another grid than the patches, or the tokenizer another
        vocabulary.

    Note:
      The features are those of the paper's fine-tuning; its linear probe reads every
      block and keeps the best.

    Example:
      >>> vit = models.vit(
      ...     size="tiny",
      ...     patch_size=4,
      ...     positions="none",
      ...     relative="shared",
      ...     mask_token=True,
      ...     output="tokens",
      ... )
      >>> tokenizer = models.dvae_encoder(depth=2, words=128)
      >>> method = beit(vit, tokenizer, patch_size=4, words=128)

    References:
      Bao et al., BEiT: BERT Pre-Training of Image Transformers, 2021, arXiv:2106.08254,
      equations 1 and 2, section 2.
    """
    check_positive(words=words)
    net = chain(encoder=encoder, head=models.linear(dim=words, init="narrow"))
    painter = {} if decoder is None else {"decoder": decoder}
    told = chain(encoder=tokenizer, **painter)

    def init(key, batch):
        net_key, told_key = jax.random.split(key)
        (image,), drawn = views_of(batch, 1), _rendering(batch)
        mask = mask_on_patches(batch, patch_size=patch_size)
        params, stats = net.init(net_key, image, None, mask)
        pixels = losses.map_pixels(drawn)
        frozen, frozen_stats = told.init(told_key, pixels)
        if decoder is not None:
            made, _ = jax.eval_shape(told.apply, frozen, frozen_stats, pixels)
            check_painter(made["decoder"], drawn)
        extra = {"tokenizer": frozen, "tokenizer_stats": frozen_stats}
        return params, {"stats": stats, **extra}

    def tell(params, extra, batch, **options):
        """Scores of the words at every patch, the right ones, and the mask."""
        (image,) = views_of(batch, 1)
        mask = mask_on_patches(batch, patch_size=patch_size)
        codes = _codes(tokenizer, extra, batch, words=words, grid=mask.shape[1:])
        out, stats = net.apply(params, extra["stats"], image, None, mask, **options)
        logits = out["head"][:, -mask[0].size :]  # without the class token
        return logits.reshape(*mask.shape, words), codes, mask, stats

    def embed(params, extra, batch, *, key, step):
        del step
        logits, codes, _, stats = tell(params, extra, batch, train=True, key=key)
        return (logits, codes), {"stats": stats}

    def compare(params, extra, batch, found, *, key, step):
        del params, key, step
        value, log = _at_hidden(*found, mask_on_patches(batch, patch_size=patch_size))
        return value, Aux(extra, log)

    def pictures(params, extra, batch, *, key):
        del key
        logits, codes, mask, _ = tell(params, extra, batch)
        drawn, stats = _rendering(batch), extra["tokenizer_stats"]["decoder"]
        made = decoded(
            decoder,
            extra["tokenizer"]["decoder"],
            stats,
            jnp.where(mask > 0, logits.argmax(axis=-1), codes),
            words=words,
            channels=drawn.shape[-1],
        )
        return paint(*(_like_views(x, statistics) for x in (drawn, made)), mask)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs={
            **readings_by_place(encoder, patch_size=patch_size),
            **({} if decoder is None else {"pictures": pictures}),
        },
        given=("extra/tokenizer",),
    )


def _at_hidden(logits, codes, mask):
    """The cross-entropy of the words at hidden patches, and the share that is right."""
    flat = (x.reshape(len(mask), -1, *x.shape[3:]) for x in (logits, codes, mask))
    right = jnp.where(mask > 0, logits.argmax(axis=-1) == codes, 0)
    accuracy = right.sum() / jnp.maximum((mask > 0).sum(), 1)
    return losses.masked_cross_entropy(*flat), {"accuracy": accuracy}


def _rendering(batch):
    if "rendering" not in batch:
        raise ValueError(
            "the tokenizer needs a second rendering of the crop, views.masked("
            f"rendering=...); the batch has {sorted(batch)}"
        )
    return batch["rendering"]


def _codes(tokenizer, extra, batch, *, words, grid):
    """The word at every place, `[b i j]`."""
    params, stats = extra["tokenizer"], extra["tokenizer_stats"]
    drawn = _rendering(batch)
    found = scores(tokenizer, params["encoder"], stats["encoder"], drawn)
    if found.shape[1:3] != grid:
        raise ValueError(
            f"the tokenizer gives {found.shape[1]} x {found.shape[2]} words of a "
            f"rendering of {drawn.shape[1]} x {drawn.shape[2]} pixels, and there are "
            f"{grid[0]} x {grid[1]} patches: draw it at another size"
        )
    if found.shape[-1] != words:
        raise ValueError(
            f"the tokenizer has {found.shape[-1]} words, and words={words}"
        )
    return found.argmax(axis=-1)


def _like_views(image, statistics):
    """A picture in the unit of the views."""
    if statistics is None:
        return image
    return augment.normalize(image, statistics=statistics)
