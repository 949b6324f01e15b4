"""How far translations of scenes by day are from the same scenes by night.

    sslax pretrain --config=configs/cut.py:sample --workdir=workdir/cut
    python -m experiments.translation --workdirs workdir/cut

The pairs are known of drawn scenes alone, and used here alone: training sees by night
other scenes. The error is that of pixels to them; the distances are to the other
scenes, by the features of a run (`--encoder`), or of a residual network with random
weights, which has seen nothing and tells colours and textures apart. Beside the network
stand the images as they are, and with the histogram of each channel made that of all
images by night; below, the true partners. Several runs make mean and deviation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from PIL import Image

from sslax import data, models
from sslax.results.distances import distance_rows
from sslax.results.evaluation import restore_run
from sslax.results.weights import open_trained
from sslax.train.outputs import outputs_of
from sslax.train.pictures import grid, plain
from sslax.train.run import on_canvas

COLUMNS = ("error", "frechet", "kid")
FLOOR = "true partners"
RANDOM = "a ResNet-18 with random weights, 512 dimensions"
Features = Callable[[np.ndarray], np.ndarray]


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


def scenes(config: Mapping[str, Any], count: int) -> tuple[np.ndarray, ...]:
    """Test scenes by day, the same by night, and the others by night."""
    call = config["data"]["test"]
    side, night_of = dict(call["first"]), dict(call["second"])
    calls = side, {**side, "look": night_of["look"]}, night_of
    return tuple(np.stack([_lit(c)[i]["image"] for i in range(count)]) for c in calls)


def _lit(call: Mapping[str, Any]) -> data.Source:
    return data.lit_shapes(**{k: v for k, v in call.items() if k != "name"})


def translated(workdir: str, day: np.ndarray) -> np.ndarray:
    """What a run makes of images, uint8."""
    run, state = restore_run(workdir)
    made = outputs_of(run, ("translation",))(state, data.arrays(day))
    images = plain(made.outputs["translation"], run.config["normalize"])
    return pixels(255 * images)


def pixels(images: np.ndarray) -> np.ndarray:
    """Rounded, as a file has them."""
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def random_features() -> Features:
    """Of a network that was never trained."""
    net = models.resnet18(stem="cifar")
    params, stats = net.init(jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32))
    run = jax.jit(lambda x: net.apply(params, stats, x / 127.5 - 1.0)[0])

    def features(images: np.ndarray) -> np.ndarray:
        parts = (images[i : i + 64] for i in range(0, len(images), 64))
        return np.concatenate([run(x.astype(np.float32)) for x in parts])

    return features


def features_of(workdir: str) -> tuple[Features, str]:
    """Of a run, or of converted weights, and what they are."""
    run, state = open_trained(workdir, train="lit_shapes/test")

    def features(images: np.ndarray) -> np.ndarray:
        source = data.arrays(images)
        read = outputs_of(on_canvas(run, source), ("features",))
        return read(state, source).flat()

    return features, f"{workdir}, step {int(state.step)}"


def measure(
    sets: Mapping[str, np.ndarray],
    night: np.ndarray,
    other: np.ndarray,
    features: Features,
) -> dict[str, dict[str, float]]:
    """Errors to partners, and distances to the other scenes by night, by set."""
    seen = {name: features(images) for name, images in sets.items()}
    rows = distance_rows(features(other), seen)
    return {
        name: {"error": error(images, night), **rows[name]}
        for name, images in sets.items()
    }


def cell(values: list[float]) -> str:
    """A number, or mean and deviation of several."""
    text = f"{np.mean(values):.4g}"
    return text if len(values) == 1 else f"{text} ± {np.std(values):.2g}"


def draw(out: str, sets: list[np.ndarray], count: int = 10) -> None:
    """Writes rows of images, one below the other."""
    columns = [("", [images[i] for images in sets]) for i in range(count)]
    Image.fromarray(grid(columns, side=64)).save(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdirs", nargs="+", required=True, help="runs of CUT")
    parser.add_argument("--encoder", help="a run, or converted weights")
    parser.add_argument("--count", type=int, default=1024, help="test scenes")
    parser.add_argument("--picture", help="draw scenes of the first run to a PNG")
    options = parser.parse_args()
    runs = options.workdirs
    day, night, other = scenes(restore_run(runs[0])[0].config, options.count)
    made = [translated(run, day) for run in runs]
    features, name = random_features(), RANDOM
    if options.encoder:
        features, name = features_of(options.encoder)
    still = {
        "images as they are": day,
        "histogram": pixels(matched(day, other)),
        FLOOR: night,
    }
    sets = {**still, **dict(zip(runs, made, strict=True))}
    found = measure(sets, night, other, features)
    groups = {name: [name] for name in still} | {"CUT": runs}
    print(f"{options.count} scenes, {len(runs)} runs; features of {name}")
    print(f"| | {' | '.join(COLUMNS)} |\n| --- |{' --- |' * len(COLUMNS)}")
    for title in ("images as they are", "histogram", "CUT", FLOOR):
        cells = [cell([found[n][c] for n in groups[title]]) for c in COLUMNS]
        print(f"| {title} | {' | '.join(cells)} |")
    if options.picture:
        draw(options.picture, [day, made[0], night])


if __name__ == "__main__":
    main()
