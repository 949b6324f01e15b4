"""Images per second of augmentation on this machine's CPU, against other packages.

    python -m experiments.benchmarks.augment [--repeats 20] [--peers PYTHON]

Three pipelines on the same random images: SimCLR at 32 pixels (512 images) and at 224
(32 images from 256-pixel canvases, with blur), and DINO's multi-crop (2 x 224 + 6 x 96,
16 images). Runs of all packages are interleaved and the best of each counts. Peers that
are not installed are left out; `--peers` names a Python that has them (dm-pix, augmax,
kornia, torchvision), which is asked line by line in a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from experiments.benchmarks.peers import Peers

SIMCLR = {"jitter": (0.8, 0.8, 0.8, 0.2), "grayscale": 0.2}
TASKS = {
    "32": (512, 32, 32),
    "224": (32, 256, 224),
    "multicrop": (16, 256, 224),
}


def images(task: str) -> np.ndarray:
    batch, side, _ = TASKS[task]
    return np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)


def timed(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ours(task: str):
    import jax

    from sslax import views

    _, _, size = TASKS[task]
    blur = {} if task == "32" else {"blur": 0.5}
    if task == "multicrop":
        dino = {"jitter": (0.4, 0.4, 0.2, 0.1), "grayscale": 0.2}
        make = views.multi_crop(
            first=views.view(size=224, scale=(0.4, 1.0), blur=1.0, **dino),
            second=views.view(
                size=224, scale=(0.4, 1.0), blur=0.1, solarize=0.2, **dino
            ),
            small=views.view(size=96, scale=(0.05, 0.4), blur=0.5, **dino),
        )
    else:
        make = views.one_view(view=views.view(size=size, **SIMCLR, **blur))
    batch = {"image": jax.numpy.asarray(images(task))}
    step = jax.jit(lambda key: make(key, batch)["views"])
    keys = iter(jax.random.split(jax.random.key(0), 10_000))

    def run():
        jax.block_until_ready(step(next(keys)))

    run()
    return run


def shares(task: str, repeats: int) -> dict[str, float]:
    """Milliseconds a batch of each operation on its own."""
    import jax

    from sslax import augment

    batch, _, size = TASKS[task]
    raw = jax.numpy.asarray(images(task))
    made = jax.numpy.asarray(
        np.random.default_rng(1).random((batch, size, size, 3), np.float32)
    )
    operations = {
        "crop": lambda k: augment.random_resized_crop(
            k, augment.to_float(raw), size=size, flip=0.5
        ),
        "jitter": lambda k: augment.random_jitter(k, made),
        "grey": lambda k: augment.grayscale(
            made, amount=jax.random.bernoulli(k, 0.2, (batch,)).astype(made.dtype)
        ),
        "blur": lambda k: augment.random_blur(k, made),
    }
    out = {}
    for name, function in operations.items():
        step, key = jax.jit(function), jax.random.key(0)
        jax.block_until_ready(step(key))
        best = min(
            timed(lambda: jax.block_until_ready(step(key)))  # noqa: B023
            for _ in range(repeats)
        )
        out[name] = 1e3 * best
    return out


def main() -> None:
    from sslax.platforms import keep_memory  # peers do not need sslax

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--peers", default=sys.executable)
    options = parser.parse_args()
    keep_memory()
    peers = Peers(options.peers, "experiments.benchmarks.augment_peers")
    ratios = []
    for task, (batch, _, _) in TASKS.items():
        run, best = ours(task), {}
        names = peers.ask(task=task)
        for _ in range(options.repeats):
            best["sslax"] = min(best.get("sslax", np.inf), timed(run))
            for name in names:
                seconds = peers.ask(task=task, name=name)
                best[name] = min(best.get(name, np.inf), seconds)
        for name, seconds in best.items():
            print(f"{task}: {name} {batch / seconds:.0f} images/s", flush=True)
        if task != "multicrop":
            parts = shares(task, options.repeats)
            total = sum(parts.values())
            text = ", ".join(
                f"{n} {ms:.1f} ms ({100 * ms / total:.0f} %)" for n, ms in parts.items()
            )
            print(f"{task}: alone {text}", flush=True)
        others = [s for name, s in best.items() if name != "sslax"]
        ratio = min(others) / best["sslax"] if others else float("nan")
        ratios.append(f"ratio_{task}={ratio:.2f}")
    peers.close()
    print("augment: " + " ".join(ratios))


if __name__ == "__main__":
    main()
