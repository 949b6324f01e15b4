"""Adapters from stored cases to public sslax functions: losses."""

from __future__ import annotations

CONTRASTIVE: dict = {}
VISION: dict = {}
