"""The tokenizer of a run, which stays beside it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from etils import epath

from sslax import calls, data
from sslax.train.together import from_first
from sslax.train.workdir import stored_steps

__all__ = ["record_tokenizer", "tokenizer_of"]

_FILE = "tokenizer.json"


def tokenizer_of(
    config: Mapping[str, Any], source: data.Source, folder: Any = None
) -> data.Tokenizer | None:
    """What makes numbers of the texts of a run.

    Args:
      config: the resolved config.
      source: the training data, whose captions train a vocabulary that is not stored.
      folder: the folder of the run, where the vocabulary is stored; None is nowhere.

    Returns:
      The tokenizer; None where the config has none.

    Raises:
      ValueError: if a call is wrong, or there are no captions.
    """
    tokenizer = _described(config)
    if tokenizer is None or tokenizer.encode is not None:
        return tokenizer
    file = None if folder is None else epath.Path(folder) / _FILE
    if file is not None and file.exists():
        return tokenizer.restored(file.read_text())
    return _trained(tokenizer, source)


def record_tokenizer(
    config: Mapping[str, Any], source: data.Source, folder: Any
) -> None:
    """Trains the vocabulary of a run that begins, and keeps it in its folder.

    A run that goes on has one, and every process reads the same.

    Args:
      config: the resolved config.
      source: the training data.
      folder: the folder of the run.

    Raises:
      ValueError: if there are no captions, or the vocabulary of a run that goes on is
        gone.
    """
    tokenizer, file = _described(config), epath.Path(folder) / _FILE
    if tokenizer is None or tokenizer.encode is not None:
        return

    def write() -> None:
        if not stored_steps(file.parent):
            made = _trained(tokenizer, source)
            assert made.stored is not None
            file.write_text(made.stored)
        elif not file.exists():
            raise ValueError(
                f"{str(file)!r} is gone: without the vocabulary that the run was "
                "trained with it cannot go on"
            )

    from_first(write)


def _described(config: Mapping[str, Any]) -> data.Tokenizer | None:
    spec = config["data"].get("tokenizer")
    return calls.build(spec, data.Tokenizer) if spec else None


def _trained(tokenizer: data.Tokenizer, source: data.Source) -> data.Tokenizer:
    made = tokenizer.trained(data.captions_of(source))
    if not made.cut:  # a text that is too long is known before the first step
        texts = data.captions_of(source)
        while some := list(itertools.islice(texts, 1024)):
            made(some)
    return made
