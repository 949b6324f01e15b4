"""Images and clips to learn from: sources are calls, batches come by step.

Nothing heavy is imported here: TFDS, Grain and JAX load with what uses them.
"""

from sslax.data._arrays import arrays
from sslax.data._captions import captions_of, tokenized
from sslax.data._clips import clips
from sslax.data._device import to_device
from sslax.data._fashion_mnist import fashion_mnist, fashion_mnist_sample
from sslax.data._fields import Field
from sslax.data._files import files
from sslax.data._fingerprint import fingerprint
from sslax.data._folder import folder
from sslax.data._foregrounds import masks_of, with_foreground
from sslax.data._habitats import habitats
from sslax.data._lit_shapes import lit_shapes
from sslax.data._loader import Loader, loader
from sslax.data._memory import batches, in_memory
from sslax.data._moving import moving_shapes
from sslax.data._open import described, parse, prepare, source, test_of
from sslax.data._pairs import unpaired
from sslax.data._shapes import check_classes, check_examples, shapes
from sslax.data._shards import shards
from sslax.data._sources import BadExample, Source, read_labels, require_labels
from sslax.data._splits import write_splits
from sslax.data._subsets import part, places_of, subset
from sslax.data._synthetic import objects, synthetic
from sslax.data._tables import captioned, listed
from sslax.data._tfds import tfds
from sslax.data._tokenizers import Tokenizer, byte_pairs, clip_byte_pairs, utf8

__all__ = [
    "BadExample",
    "Field",
    "Loader",
    "Source",
    "Tokenizer",
    "arrays",
    "batches",
    "byte_pairs",
    "captioned",
    "captions_of",
    "check_classes",
    "check_examples",
    "clip_byte_pairs",
    "clips",
    "described",
    "fashion_mnist",
    "fashion_mnist_sample",
    "files",
    "fingerprint",
    "folder",
    "habitats",
    "in_memory",
    "listed",
    "lit_shapes",
    "loader",
    "masks_of",
    "moving_shapes",
    "objects",
    "parse",
    "part",
    "places_of",
    "prepare",
    "read_labels",
    "require_labels",
    "shapes",
    "shards",
    "source",
    "subset",
    "synthetic",
    "test_of",
    "tfds",
    "to_device",
    "tokenized",
    "unpaired",
    "utf8",
    "with_foreground",
    "write_splits",
]
