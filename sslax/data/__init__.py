"""Images for training and evaluation: sources by name, batches by step.

Nothing heavy is imported here: TFDS, Grain and JAX load with what uses them.
"""

from sslax.data._device import to_device
from sslax.data._loader import Loader, loader
from sslax.data._memory import batches, in_memory
from sslax.data._open import prepare, source
from sslax.data._sources import ArraySource, BadExample, Source, require_labels

__all__ = [
    "ArraySource",
    "BadExample",
    "Loader",
    "Source",
    "batches",
    "in_memory",
    "loader",
    "prepare",
    "require_labels",
    "source",
    "to_device",
]
