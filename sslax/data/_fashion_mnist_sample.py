"""The bundled sample of Fashion-MNIST as a TFDS builder.

Importing this module registers it with TFDS, whose module is therefore imported here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds
from PIL import Image

from sslax.data._fashion_mnist import CLASSES, FOLDER
from sslax.data._idx import FILES, read_pair


class FashionMnistSample(tfds.core.GeneratorBasedBuilder):
    """10,000 training and 5,000 test images of Fashion-MNIST, in their file order."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(28, 28, 1), encoding_format="png"),
                "label": tfds.features.ClassLabel(names=CLASSES),
            }
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description="The first 1,000 training and 500 test images of each class.",
            features=features,
            supervised_keys=("image", "label"),
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            license="MIT, Copyright (c) 2017 Zalando SE",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        return {split: self._generate_examples(split) for split in FILES}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        images, labels = read_pair(FOLDER, split, ".xz")
        for position, (image, label) in enumerate(zip(images, labels, strict=True)):
            # A file object is stored as it is; encoding an array needs TensorFlow.
            file = io.BytesIO()
            Image.fromarray(image[..., 0]).save(file, "png", compress_level=1)
            file.seek(0)
            yield position, {"image": file, "label": int(label)}
