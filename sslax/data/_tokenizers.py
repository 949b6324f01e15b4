"""Texts to numbers: bytes, or pairs of bytes that stand together often."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

_BYTES = 256
# Every byte alone, and every byte that ends a word.
_SINGLE = 2 * _BYTES
# What counts as one word, as in the released code of CLIP.
_WORD = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_END = "</w>"
_RELEASED = "bpe_simple_vocab_16e6.txt.gz"
_RELEASED_WORDS = 49408

Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Tokenizer:
    """Texts to rows of numbers: a start, the text, an end, zeros.

    Attributes:
      words: size of the vocabulary; its last two words are the start and the end.
      context: numbers in a row.
      cut: whether longer texts are cut, and end like others; else they are an error.
      encode: `texts -> numbers`, without start and end; None before it is trained.
      train: `texts -> ` the vocabulary as text; None where there is nothing to train.
      load: `vocabulary -> encode`, where there is something to train.
      stored: the vocabulary as text, once it is trained.
    """

    words: int
    context: int
    cut: bool
    encode: Encode | None = None
    train: Callable[[Iterable[str]], str] | None = None
    load: Callable[[str], Encode] | None = None
    stored: str | None = None

    def trained(self, texts: Iterable[str]) -> Tokenizer:
        """The tokenizer with a vocabulary of these texts; itself where it has one."""
        if self.encode is not None or self.train is None:
            return self
        return self.restored(self.train(texts))

    def restored(self, stored: str) -> Tokenizer:
        """The tokenizer with a vocabulary that was stored."""
        assert self.load is not None
        return dataclasses.replace(self, encode=self.load(stored), stored=stored)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Rows of numbers, int32 [n context].

        Raises:
          ValueError: if a text is empty, or too long and not to be cut.
        """
        if self.encode is None:
            raise ValueError(
                "the tokenizer has no vocabulary yet: train it on captions"
            )
        out = np.zeros((len(texts), self.context), np.int32)
        for row, text, numbers in zip(out, texts, self.encode(texts), strict=True):
            if not len(numbers):
                raise ValueError(f"a text is empty: {text!r}")
            most = self.context - 2
            if len(numbers) > most and not self.cut:
                raise ValueError(
                    f"a text has {len(numbers)} tokens, and a context of "
                    f"{self.context} has room for {most}: {text[:60]!r}; shorten it, "
                    "or cut such texts with --config.data.tokenizer.cut=True"
                )
            given = [self.words - 2, *numbers[:most], self.words - 1]
            row[: len(given)] = given
        return out


def utf8(*, context: int = 256, cut: bool = True) -> Tokenizer:
    """The bytes of a text, which need no vocabulary.

    Args:
      context: numbers in a row, with start and end.
      cut: cut longer texts; else they are an error.

    Returns:
      A tokenizer of 258 words.

    Raises:
      ValueError: if the context is too short for any text.

    Example:
      >>> from sslax import data
      >>> data.utf8(context=5)(["Zo"]).tolist()
      [[256, 90, 111, 257, 0]]
    """
    _check(_BYTES + 2, context)
    return Tokenizer(words=_BYTES + 2, context=context, cut=cut, encode=_bytes)


def byte_pairs(
    *,
    words: int = 4096,
    context: int = 77,
    cut: bool = False,
    file: str | None = None,
) -> Tokenizer:
    """Byte pairs as CLIP has them, trained on the captions of the training data.

    Texts are in lower case; a word is letters, one digit or other signs, and its last
    byte is marked. A run trains it once and keeps it as `tokenizer.json`; it needs the
    package tokenizers (`pip install 'sslax[text]'`).

    Args:
      words: size of the vocabulary; few captions fill a part of it.
      context: numbers in a row, with start and end.
      cut: cut longer texts; else they are an error.
      file: a vocabulary to take in place of training one, such as the tokenizer.json of
        another run.

    Returns:
      A tokenizer.

    Raises:
      ValueError: if there is no room for all bytes, or for any text, or no such file.

    Example:
      >>> from sslax import data
      >>> made = data.byte_pairs(words=600, context=6).trained(["a cat", "a cat"])
      >>> made(["A cat"]).shape
      (1, 6)

    References:
      Radford et al., "Learning Transferable Visual Models From Natural Language
      Supervision", 2021, arXiv:2103.00020, section 2.4. Sennrich et al., "Neural
      Machine Translation of Rare Words with Subword Units", 2016, arXiv:1508.07909.
    """
    _check(words, context)
    if words < _SINGLE + 2:
        raise ValueError(f"words is {words}; all bytes take {_SINGLE + 2}")
    made = Tokenizer(
        words=words,
        context=context,
        cut=cut,
        train=partial(_trained, words=words),
        load=_Loaded,
    )
    if file is None:
        return made
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(f"{file!r} does not exist; it is to hold a vocabulary")
    return made.restored(path.read_text(encoding="utf-8"))


def clip_byte_pairs(*, context: int = 77, cut: bool = False) -> Tokenizer:
    """The vocabulary of the released CLIP, as the package open_clip_torch ships it.

    The package is not imported, and torch need not be there; tokenizers must.

    Args:
      context: numbers in a row, with start and end.
      cut: cut longer texts; else they are an error.

    Returns:
      A tokenizer of 49,408 words.

    Raises:
      ValueError: if the package is not installed; the message says how to get it.

    Example:
      >>> from sslax import data
      >>> data.clip_byte_pairs()(["a cat"])[0, :5].tolist()  # doctest: +SKIP
      [49406, 320, 2368, 49407, 0]
    """
    _check(_RELEASED_WORDS, context)
    spec = importlib.util.find_spec("open_clip")
    origin = spec.origin if spec else None
    if origin is None:
        raise ValueError(
            "the released vocabulary of CLIP comes with the package open_clip_torch:"
            " pip install --no-deps open_clip_torch; byte_pairs trains one of its own"
        )
    return Tokenizer(
        words=_RELEASED_WORDS,
        context=context,
        cut=cut,
        encode=_Loaded(_released(Path(origin).parent / _RELEASED)),
    )


def _check(words: int, context: int) -> None:
    if context < 3:
        raise ValueError(f"context is {context}; a start, a token and an end take 3")
    if words < 3:
        raise ValueError(f"words is {words}; expected 3 or more")


def _bytes(texts: Sequence[str]) -> list[list[int]]:
    return [list(text.strip().encode()) for text in texts]


class _Loaded:
    """What a stored vocabulary makes of texts. It can be pickled."""

    def __init__(self, stored: str) -> None:
        self._stored = stored
        _opened(stored)  # complains now if it is none

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        return [found.ids for found in _opened(self._stored).encode_batch(list(texts))]


@functools.lru_cache(maxsize=4)
def _opened(stored: str) -> Any:
    tokenizers = _package()
    try:
        return tokenizers.Tokenizer.from_str(stored)
    except Exception as error:  # the package has no type of its own
        raise ValueError(f"a stored vocabulary cannot be read: {error}") from error


def _package() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise ValueError(
            "byte pairs need the package tokenizers: pip install 'sslax[text]'; "
            "utf8 needs none"
        ) from error
    return tokenizers


def _trained(texts: Iterable[str], *, words: int) -> str:
    """The vocabulary of most frequent pairs, as text."""
    trainers = _package().trainers
    made = _model([])
    trainer = trainers.BpeTrainer(
        vocab_size=words,
        end_of_word_suffix=_END,
        initial_alphabet=_alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    merges = _merges_of(made)[: words - 2 - _SINGLE]
    return _model(merges).to_str()


def _merges_of(made: Any) -> list[tuple[str, str]]:
    import json

    found = json.loads(made.to_str())["model"]["merges"]
    return [tuple(x.split(" ") if isinstance(x, str) else x) for x in found]


def _released(file: Path) -> str:
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    merges = lines[1 : 1 + _RELEASED_WORDS - 2 - _SINGLE]
    return _model([tuple(line.split()) for line in merges]).to_str()


def _alphabet() -> list[str]:
    """A printable sign for every byte, in the order of CLIP."""
    return sorted(_package().pre_tokenizers.ByteLevel.alphabet())


def _model(merges: Sequence[tuple[str, ...]]) -> Any:
    """Every byte, every byte at the end of a word, then what is merged."""
    kit = _package()
    alphabet = _alphabet()
    names = [*alphabet, *(x + _END for x in alphabet), *map("".join, merges)]
    vocabulary = {name: i for i, name in enumerate(names)}
    model = kit.models.BPE(
        vocab=vocabulary, merges=list(merges), end_of_word_suffix=_END
    )
    made = kit.Tokenizer(model)
    made.normalizer = kit.normalizers.Sequence(
        [
            kit.normalizers.NFC(),
            kit.normalizers.Replace(kit.Regex(r"\s+"), " "),
            kit.normalizers.Lowercase(),
        ]
    )
    made.pre_tokenizer = kit.pre_tokenizers.Sequence(
        [
            kit.pre_tokenizers.Split(kit.Regex(_WORD), behavior="removed", invert=True),
            kit.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return made
