"""Adapters from stored cases to public sslax functions: evaluate."""

from __future__ import annotations

CONTRASTIVE: dict = {}
VISION: dict = {}
