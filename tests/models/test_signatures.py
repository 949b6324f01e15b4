"""Factories of one size show their real arguments."""

import inspect
import typing

import pytest

from sslax import models
from sslax.calls import build
from sslax.core import Net

NAMED = [
    *((f"resnet{depth}", "resnet", "depth") for depth in (18, 34, 50, 101, 152, 200)),
    *((f"vit_{s}", "vit", "size") for s in ("tiny", "small", "base", "large", "huge")),
    ("vit_giant", "vit", "size"),
    *((f"swin_{s}", "swin", "size") for s in ("tiny", "small", "base", "large")),
]


@pytest.mark.parametrize(("name", "family", "given"), NAMED)
def test_a_size_has_the_arguments_of_its_family_but_one(name, family, given):
    factory = getattr(models, name)
    parameters = dict(inspect.signature(factory).parameters)
    wanted = dict(inspect.signature(getattr(models, family)).parameters)
    del wanted[given]
    assert {k: p.default for k, p in parameters.items()} == {
        k: p.default for k, p in wanted.items()
    }
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values())
    hints = typing.get_type_hints(factory)
    assert hints == {
        k: v
        for k, v in typing.get_type_hints(getattr(models, family)).items()
        if k != given
    }
    assert hints["return"] is Net
    assert f"  {given}:" not in factory.__doc__


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"name": "resnet50", "dtyp": "bfloat16"}, "did you mean 'dtype'"),
        ({"name": "vit_small", "patchsize": 8}, "did you mean 'patch_size'"),
        ({"name": "swin_tiny", "remats": True}, "did you mean 'remat'"),
        ({"name": "resnet18", "depth": 50}, "resnet18 has no argument 'depth'"),
    ],
)
def test_a_typo_in_an_argument_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        build(call, Net)
