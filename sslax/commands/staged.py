"""Configs of stages on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslax.calls import nearest

__all__ = ["is_staged", "stage_of"]


def is_staged(config: Mapping[str, Any]) -> bool:
    """Whether a config is of stages, each a config itself (`get_stages`).

    Args:
      config: the resolved config.

    Returns:
      True for a mapping from stages to configs.
    """
    return bool(config) and all(
        isinstance(stage, Mapping) and "method" in stage for stage in config.values()
    )


def stage_of(config: Mapping[str, Any], stage: str | None) -> Mapping[str, Any]:
    """One config of a file that may hold several.

    Args:
      config: of one run, or of stages.
      stage: which; None where there is but one.

    Returns:
      The config of a run.

    Raises:
      ValueError: if a stage is named and there is none, or the other way round.
    """
    if not is_staged(config):
        if stage is not None:
            raise ValueError(f"this config has no stages; got --stage={stage}")
        return config
    if stage is None:
        raise ValueError(f"choose one of the stages with --stage: {', '.join(config)}")
    if stage not in config:
        raise ValueError(f"no stage {stage!r}: {nearest(stage, config)}")
    return config[stage]
