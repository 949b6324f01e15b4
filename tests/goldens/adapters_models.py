"""Adapters from stored cases to public sslax functions: models."""

from __future__ import annotations

CONTRASTIVE: dict = {}
VISION: dict = {}
