"""How far translations of scenes by day are from the same scenes by night.

    sslax pretrain --config=configs/cut.py:sample --workdir=workdir/cut
    python -m experiments.translation --workdir=workdir/cut

The pairs are known of drawn scenes alone, and used here alone: training sees by night
other scenes. Beside the network stand the images as they are, and with the histogram of
each channel made that of all images by night.
"""

from __future__ import annotations

import argparse

import jax
import numpy as np

from sslax import data
from sslax.results.evaluation import restore_run


def matched(images: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Images [n h w c] whose channels, all together, have the values of others."""
    out = np.empty(images.shape)
    for c in range(images.shape[-1]):
        values = images[..., c].ravel()
        place = np.searchsorted(np.sort(values), values, side="right") / len(values)
        out[..., c] = np.quantile(like[..., c], place).reshape(images.shape[:-1])
    return out


def error(images: np.ndarray, partners: np.ndarray) -> float:
    """Mean absolute difference of pixels, of 255."""
    return float(np.abs(images - np.asarray(partners, np.float64)).mean())


def measure(workdir: str, count: int = 256) -> dict[str, float]:
    """Errors to the true partners on test images, by name."""
    run, state = restore_run(workdir)
    call = run.config["data"]["test"]
    side, night_of = dict(call["first"]), dict(call["second"])
    day, night, other = (
        np.stack([data.lit_shapes(**options)[i]["image"] for i in range(count)])
        for options in (
            _options(side),
            _options({**side, "look": night_of["look"]}),
            _options(night_of),
        )
    )
    translate = jax.jit(run.program.method.outputs["translation"])
    made = []
    for start in range(0, count, 32):
        batch = {"image": day[start : start + 32]}
        seen = run.program.evaluation_views(jax.random.key(0), batch)
        made.append(translate(state.params, state.extra, seen, key=jax.random.key(0)))
    translated = np.clip(127.5 * (np.concatenate(made) + 1), 0, 255)
    return {
        "identity": error(day, night),
        "histogram": error(matched(day, other), night),
        "translation": error(translated, night),
    }


def _options(call: dict) -> dict:
    return {name: value for name, value in call.items() if name != "name"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True)
    found = measure(parser.parse_args().workdir)
    print("translation:", *(f"{name}={value:.1f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
