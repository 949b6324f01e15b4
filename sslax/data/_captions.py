"""Captions as numbers: one of those that an image has, drawn afresh each time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sslax.data._fields import Example, Field
from sslax.data._sources import Read, Source
from sslax.data._tokenizers import Tokenizer

Captions = Callable[[int], Sequence[str]]


def tokenized(*, of: Source, tokenizer: Tokenizer) -> Source:
    """Adds a caption to every example of a source that has them, as numbers.

    Of several captions one is drawn afresh each time, by the seed and the step.

    Args:
      of: a source with `captions`, as `captioned`, `shards` or `objects` give it.
      tokenizer: makes numbers of a text, as `byte_pairs` gives it; one that is to be
        trained is trained on these captions.

    Returns:
      The source, with `text` int32 [context].

    Raises:
      ValueError: if the source has no captions.

    Example:
      >>> from sslax import data
      >>> texts = data.tokenized(of=data.objects(size=16), tokenizer=data.utf8())
      >>> texts[3]["text"].shape
      (256,)
    """
    if of.captions is None:
        raise _no_captions(of)
    tokenizer = tokenizer.trained(captions_of(of))
    return dataclasses.replace(
        of,
        read=partial(_read, of.read, of.captions, of.locate, tokenizer),
        fields={**of.fields, "text": Field((tokenizer.context,), "int32")},
        arrays=None,
        draws=True,
        beneath=(of, partial(_over, tokenizer=tokenizer)),
    )


def captions_of(source: Source) -> Iterator[str]:
    """All captions of a source.

    Args:
      source: as `captioned` or `objects` give it.

    Yields:
      Texts, in the order of the examples.

    Raises:
      ValueError: if the source has no captions.

    Example:
      >>> from sslax import data
      >>> next(data.captions_of(data.objects(size=16)))
      'a grey disc'
    """
    if source.captions is None:
        raise _no_captions(source)
    for i in range(len(source)):
        yield from source.captions(i)


def _no_captions(source: Source) -> ValueError:
    return ValueError(
        f"{source.name} has no captions: give captioned:/path, shards:/path, or another"
        " source with texts"
    )


def _over(of: Source, *, tokenizer: Tokenizer) -> Source:
    return tokenized(of=of, tokenizer=tokenizer)


def _read(
    read: Read,
    captions: Captions,
    locate: Callable[[int], str] | None,
    tokenizer: Tokenizer,
    indices: Sequence[int],
    draws: Sequence[int],
) -> list[Example]:
    examples, out = read(indices, draws), []
    for example, index, draw in zip(examples, indices, draws, strict=True):
        # In memory a copy may stand for an image that cannot be decoded.
        shown = int(example.get("index", index))
        several = captions(shown)
        try:
            [row] = tokenizer([several[int(draw) % len(several)]])
        except ValueError as error:
            where = locate(shown) if locate else f"example {shown}"
            raise ValueError(f"{where}: {error}") from error
        out.append({**example, "text": row})
    return out
