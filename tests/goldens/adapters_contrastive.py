"""Adapters from stored cases to public sslax functions: contrastive."""

from __future__ import annotations

CONTRASTIVE: dict = {}
VISION: dict = {}
