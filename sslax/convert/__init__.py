"""Weights from and to PyTorch and timm, without running what files hold.

`from_torch` and `to_torch` are pure functions of dicts of arrays; `read_tensors` and
`write_tensors` know files, `save` and `load` folders with a network of ours.
"""

from __future__ import annotations

from sslax.convert._convert import from_torch, to_torch
from sslax.convert._files import read_tensors, write_tensors
from sslax.convert._folders import load, model_of, save
from sslax.convert._report import Report, format_report
from sslax.convert._timm import in_timm

__all__ = [
    "Report",
    "format_report",
    "from_torch",
    "in_timm",
    "load",
    "model_of",
    "read_tensors",
    "save",
    "to_torch",
    "write_tensors",
]
