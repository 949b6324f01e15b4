"""Blocks of one kind are traced once, however deep the network is."""

import contextlib
import functools

import flax.linen as nn
import pytest

from sslax.models import _convmae, _resnet, _swin_transformer, _transformer

BLOCKS = [
    (_transformer, "Block", ()),
    (_resnet, "Block", ("train",)),
    (_swin_transformer, "SwinBlock", ()),
    (_convmae, "ConvBlock", ()),
]


@contextlib.contextmanager
def blocks_traced_once():
    """Within, blocks are calls of functions, which JAX traces once for all alike.

    Two blocks are alike if all their fields and the shapes of what they get are; where
    they differ, each is traced. Of deep networks that is half the time, gradients and
    evaluation included. Programs are the same but for the calls.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, name, static in BLOCKS:
            patch.setattr(module, name, _called(getattr(module, name), static))
        yield


@functools.cache
def _called(block, static):
    """One for each kind, so that the tests of a module share what was traced."""
    return nn.jit(block, static_argnames=static)
