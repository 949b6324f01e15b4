"""Adapters from stored cases to public sslax functions: augment."""

from __future__ import annotations

CONTRASTIVE: dict = {}
VISION: dict = {}
