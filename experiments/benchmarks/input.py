"""Images per second of the input paths: decoding to a canvas, and sets in memory.

    python experiments/benchmarks/input.py [--seconds 2]

JPEGs of 500 by 375 at quality 90, about the mean of ImageNet, are made from the photos
of scikit-image (`pip install 'sslax[bench]'`), or from drawn shapes where it is
missing. Everything runs in one thread and is timed in its seconds of CPU, so that other
work on the machine counts less; a row is the median of five repeats.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from sslax import data
from sslax.data._decode import decode, place, simplejpeg

HEIGHT, WIDTH = 375, 500
PHOTOS = (
    "astronaut",
    "camera",
    "cat",
    "chelsea",
    "coffee",
    "immunohistochemistry",
    "retina",
    "rocket",
)


def photos() -> tuple[str, list[np.ndarray]]:
    """Where the images come from, and the images, uint8 [h w 3]."""
    try:
        import skimage.data
    except ImportError:
        return "drawn shapes (scikit-image is not installed)", drawn()
    images = [np.asarray(getattr(skimage.data, name)()) for name in PHOTOS]
    images = [i if i.ndim == 3 else np.stack([i] * 3, -1) for i in images]
    return "photos of scikit-image", images


def drawn() -> list[np.ndarray]:
    shapes = data.synthetic(size=WIDTH, length=8)
    noise = np.random.default_rng(0).normal(0, 8, (WIDTH, WIDTH, 3))
    return [np.clip(e["image"] + noise, 0, 255).astype(np.uint8) for e in shapes]


def as_jpeg(image: np.ndarray) -> bytes:
    """The middle of the image in the proportions of the benchmark, as JPEG."""
    height, width = image.shape[:2]
    scale = min(height / HEIGHT, width / WIDTH)
    crop_h, crop_w = round(HEIGHT * scale), round(WIDTH * scale)
    top, left = (height - crop_h) // 2, (width - crop_w) // 2
    crop = Image.fromarray(image).crop((left, top, left + crop_w, top + crop_h))
    file = io.BytesIO()
    crop.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(
        file, "jpeg", quality=90
    )
    return file.getvalue()


def rate(work: Callable[[], int], seconds: float) -> float:
    """Median over five repeats of the images a second; `work` says how many it did."""
    work()
    rates = []
    for _ in range(5):
        start, done = time.thread_time(), 0
        while (elapsed := time.thread_time() - start) < seconds / 5:
            done += work()
        rates.append(done / elapsed)
    return statistics.median(rates)


def decoders(files: list[bytes]) -> Iterator[tuple[str, Callable[[], int]]]:
    """Each decoder at each canvas, as work for `rate`."""

    def work(canvas: int | None, fast: bool) -> int:
        for file in files:
            image = decode(file, channels=3, canvas=canvas, fast=fast)
            if canvas is not None:
                place(image, canvas)
        return len(files)

    names = {"pillow": False, "simplejpeg": True}
    if simplejpeg() is None:
        print("simplejpeg is not installed: pip install 'sslax[fast-jpeg]'")
        del names["simplejpeg"]
    for name, fast in names.items():
        for canvas in (None, 512, 384, 256, 160):
            title = "full size" if canvas is None else f"canvas {canvas}"
            yield f"{name}, {title}", lambda c=canvas, f=fast: work(c, f)


def memory_batches() -> Callable[[], int]:
    """Batches of 512 out of 50,000 images of 32 by 32 in memory."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50_000, 32, 32, 3), dtype=np.uint8)
    loader = data.loader(
        data.arrays(images),
        batch_size=512,
        process_index=0,
        process_count=1,
    )
    steps = iter(range(10**9))
    return lambda: len(loader.batch(next(steps))["index"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row")
    args = parser.parse_args()
    origin, images = photos()
    files = [as_jpeg(image) for image in images]
    mean = sum(map(len, files)) / len(files) / 1000
    print(f"{len(files)} JPEGs of {WIDTH}x{HEIGHT}, {mean:.0f} kB each: {origin}")
    print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
    print(f"{'one core, decode and place':34}{'images/s':>10}")
    rates = {}
    for name, work in decoders(files):
        rates[name] = rate(work, args.seconds)
        print(f"{name:34}{rates[name]:10,.0f}")
    in_memory = rate(memory_batches(), args.seconds)
    print(f"{'in memory, 32x32, batch 512':34}{in_memory:10,.0f}")
    best = max(value for name, value in rates.items() if name.endswith("canvas 256"))
    print(f"input: decode_canvas_per_core={best:.0f} in_memory={in_memory:.0f}")


if __name__ == "__main__":
    main()
