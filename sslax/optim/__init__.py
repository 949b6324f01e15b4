"""Optimizers as the recipes use them: optax's parts, with the field's exclusions.

Each takes a peak `learning_rate` and a `schedule` that multiplies it, so that the rate
is one number in a config. `exclude` says which parameters have no weight decay (and,
under LARS, no trust ratio). `clipped`, `doubled`, `frozen`, `grouped` and `layer_decay`
wrap an optimizer and give another.
"""

from __future__ import annotations

from sslax.optim._adam import adam, adamw
from sslax.optim._doubled import doubled
from sslax.optim._groups import clipped, frozen, grouped
from sslax.optim._lamb import lamb
from sslax.optim._larc import larc
from sslax.optim._lars import lars, lars_byol, lars_popular
from sslax.optim._layers import layer_decay, layer_ids
from sslax.optim._parameters import included
from sslax.optim._sgd import sgd

__all__ = [
    "adam",
    "adamw",
    "clipped",
    "doubled",
    "frozen",
    "grouped",
    "included",
    "lamb",
    "larc",
    "lars",
    "lars_byol",
    "lars_popular",
    "layer_decay",
    "layer_ids",
    "sgd",
]
