"""Images per second of the input paths: decoding, the loader, and a whole run.

    python -m experiments.benchmarks.input [--seconds 2] [--workers 1,2]

JPEGs of 500 by 375 at quality 90, about the mean of ImageNet, are made from the photos
of scikit-image (`pip install 'sslax[bench]'`), or from drawn shapes where it is
missing. What one thread does is timed in its seconds of CPU, so that other work on the
machine counts less; a row is the median of five repeats.

Below stand seconds on the clock: the loader to the device with so many processes, and
SimCLR's sample recipe on a folder of such files, 64 pixels of a canvas of 512, beside
its steps alone, on a batch that lies there. The share is that of the slower of the two,
the loader or the steps, that the run reaches.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from sslax import data, platforms
from sslax.commands.overrides import load_config
from sslax.data._decode import decode, place, simplejpeg
from sslax.train.feed import Feed
from sslax.train.loop import first_state, steps
from sslax.train.run import Run, build_run

HEIGHT, WIDTH = 375, 500
BATCH = 64
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

    def work(canvas: int | None, fast: bool, by: str = "pillow") -> int:
        for file in files:
            image = decode(file, channels=3, canvas=canvas, fast=fast, by=by)
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
        for canvas in (384, 256, 160):
            title = f"{name} and opencv, canvas {canvas}"
            yield title, lambda c=canvas, f=fast: work(c, f, "opencv")


def deviation(files: list[bytes], canvas: int) -> float:
    """Mean difference of pixels shrunk by OpenCV to those by Pillow."""
    apart = []
    for file in files:
        ours, theirs = (
            decode(file, channels=3, canvas=canvas, by=by).astype(float)
            for by in ("pillow", "opencv")
        )
        apart.append(np.abs(ours - theirs).mean())
    return float(np.mean(apart))


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


def run_on(folder: str, workers: int, *, canvas: int = 512) -> Run:
    """SimCLR's sample recipe on a folder of files."""
    fields = {
        "data.train": f"folder:{folder}",
        "data.canvas": canvas,
        "data.workers": workers,
        "views.first.size": 64,
        "normalize": "imagenet",
        "batch_size": BATCH,
        "epochs": 1000,
    }
    texts = [(name, str(value)) for name, value in fields.items()]
    return build_run(load_config("configs/simclr.py:sample", texts, follow=True))


def per_second(turns: Iterator[Any], count: int) -> float:
    """Images a second of so many batches, after three that are passed over."""
    for turn in itertools.islice(turns, 3):
        jax.block_until_ready(turn)
    began = time.perf_counter()
    for turn in itertools.islice(turns, count):
        jax.block_until_ready(turn)
    return BATCH * count / (time.perf_counter() - began)


def whole(folder: str, workers: int, count: int) -> dict[str, float]:
    """Images a second of the loader to the device, of steps alone, of a run."""
    run = run_on(folder, workers)
    batches = run.feed.batches(0, lambda: first_state(run))
    batch = next(batches)
    loader = per_second(batches, count)
    still = run._replace(feed=Feed(lambda step, state: itertools.repeat(batch)))
    rates = {"loader": loader}
    for name, which in (("steps", still), ("run", run)):
        turns = steps(which, first_state(which))
        rates[name] = per_second((metrics for *_, metrics in turns), count)
    return rates


def written(files: list[bytes], folder: str, copies: int = 256) -> None:
    """The files under other names, a class for each photo.

    So many are more than the loader would decode once and keep.
    """
    for number, file in enumerate(files):
        (path := Path(folder) / str(number)).mkdir()
        for copy in range(copies):
            (path / f"{copy}.jpg").write_bytes(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row")
    parser.add_argument("--workers", default="1,2", help="processes of the loader")
    parser.add_argument("--batches", type=int, default=30)
    args = parser.parse_args()
    platforms.keep_memory()
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
    for canvas in (384, 256):
        apart = deviation(files, canvas)
        print(f"opencv's pixels at {canvas}: {apart:.2f} of 255 from pillow's, mean")
    print("\nworkers   loader    steps      run    share")
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        written(files, folder)
        for workers in map(int, args.workers.split(",")):
            found = whole(folder, workers, args.batches)
            slower = min(found["loader"], found["steps"])
            shares.append(found["run"] / slower)
            cells = "".join(f"{found[k]:9,.0f}" for k in ("loader", "steps", "run"))
            print(f"{workers:7}{cells}{shares[-1]:9.2f}")
    best = max(value for name, value in rates.items() if name.endswith("canvas 384"))
    print(
        f"input: decode_canvas_per_core={best:.0f} in_memory={in_memory:.0f}"
        f" end_to_end_share={max(shares):.2f}"
    )


if __name__ == "__main__":
    main()
