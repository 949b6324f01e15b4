"""Adapters from stored reference cases to public sslax functions.

`CONTRASTIVE[method](inputs, hyper) -> {"loss": ..., aux ...}` and
`VISION[topic](arrays, parameters) -> {output name: ...}`. They call only public sslax
functions and read everything from their arguments.
"""

from __future__ import annotations

from tests.goldens import (
    adapters_augment,
    adapters_contrastive,
    adapters_evaluate,
    adapters_hierarchical,
    adapters_losses,
    adapters_models,
    adapters_optim,
)

_FAMILIES = (
    adapters_contrastive,
    adapters_losses,
    adapters_augment,
    adapters_models,
    adapters_evaluate,
    adapters_hierarchical,
    adapters_optim,
)

CONTRASTIVE = {k: v for family in _FAMILIES for k, v in family.CONTRASTIVE.items()}
VISION = {k: v for family in _FAMILIES for k, v in family.VISION.items()}
# Names of a case that are not compared, and why: topic -> pattern -> reason.
SKIPPED = {
    topic: patterns
    for family in _FAMILIES
    for topic, patterns in getattr(family, "SKIPPED", {}).items()
}
