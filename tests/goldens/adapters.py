"""Adapters from stored reference cases to public sslax functions.

`CONTRASTIVE[method](inputs, hyper) -> {"loss": ..., aux ...}` and
`VISION[topic](arrays, parameters) -> {output name: ...}`. They call only public sslax
functions and read everything from their arguments.
"""

from __future__ import annotations

from tests.goldens import (
    adapters_augment,
    adapters_colorization,
    adapters_contrastive,
    adapters_evaluate,
    adapters_hierarchical,
    adapters_losses,
    adapters_masking,
    adapters_models,
    adapters_optim,
    adapters_pretext,
)

_FAMILIES = (
    adapters_contrastive,
    adapters_losses,
    adapters_colorization,
    adapters_augment,
    adapters_masking,
    adapters_pretext,
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
# The same for parameters and inputs that adapters do not read.
NOT_READ = {
    topic: patterns
    for family in _FAMILIES
    for topic, patterns in getattr(family, "NOT_READ", {}).items()
}
# The same for outputs in which rounding to float32 decides between two values.
JUMPS = {
    topic: patterns
    for family in _FAMILIES
    for topic, patterns in getattr(family, "JUMPS", {}).items()
}
ALTERNATIVES = {
    "alt_*": "the value of a second implementation, a known multiple of the loss",
    "altaux_*": "an auxiliary output of a second implementation",
    "own_*": "computed by the generator from the formula, not by a reference",
    "out_loss_f32": "the reference in float32, which overflows in places",
    "gradrenorm_*": "stands in for grad_* where the function normalises",
}


def skipped(topic: str) -> dict[str, str]:
    """Patterns of what is not compared, with the reasons."""
    return {**ALTERNATIVES, **SKIPPED.get(topic, {})}


def not_read(topic: str) -> dict[str, str]:
    """Patterns of what need not be read, with the reasons."""
    return NOT_READ.get(topic, {})
