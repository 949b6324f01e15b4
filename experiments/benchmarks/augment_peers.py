"""The pipelines of the augmentation benchmark in other packages.

Answers questions on standard input, one JSON object a line: `{"task": t}` lists the
packages that are installed, `{"task": t, "name": n}` runs one and gives its seconds.
"""

from __future__ import annotations

import functools
import sys
import time

from experiments.benchmarks.augment import TASKS, images
from experiments.benchmarks.peers import serve

# Scale, size, blur and solarize probability of each crop; jitter strengths.
CROPS = {
    "32": [((0.08, 1.0), 32, 0.0, 0.0)],
    "224": [((0.08, 1.0), 224, 0.5, 0.0)],
    "multicrop": [
        ((0.4, 1.0), 224, 1.0, 0.0),
        ((0.4, 1.0), 224, 0.1, 0.2),
        *[((0.05, 0.4), 96, 0.5, 0.0)] * 6,
    ],
}


def strengths(task: str) -> tuple[float, float, float, float]:
    return (0.4, 0.4, 0.2, 0.1) if task == "multicrop" else (0.8, 0.8, 0.8, 0.2)


def taps(size: int) -> int:
    return 2 * max(1, size // 20) + 1


def kornia(task: str):
    import kornia.augmentation as K
    import torch

    batch = torch.from_numpy(images(task)).permute(0, 3, 1, 2).contiguous()
    pipelines = []
    for scale, size, blur, solarize in CROPS[task]:
        steps = [
            K.RandomResizedCrop((size, size), scale=scale, resample="bicubic"),
            K.RandomHorizontalFlip(p=0.5),
            K.ColorJitter(*strengths(task), p=0.8),
            K.RandomGrayscale(p=0.2),
        ]
        if blur:
            steps.append(K.RandomGaussianBlur((taps(size),) * 2, (0.1, 2.0), p=blur))
        if solarize:
            steps.append(K.RandomSolarize(p=solarize))
        pipelines.append(torch.nn.Sequential(*steps))

    def run():
        with torch.no_grad():
            floats = batch.float() / 255
            for pipeline in pipelines:
                pipeline(floats)

    return run


@functools.cache
def import_torchvision():
    """torchvision; where its operators are missing, with what stands for them."""
    import torch

    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float t) -> Tensor")
        import torchvision

        return torchvision, library
    return torchvision, None


def torchvision(task: str):
    import torch

    import_torchvision()
    from torchvision.transforms import v2

    batch = torch.from_numpy(images(task)).permute(0, 3, 1, 2).contiguous()
    pipelines = []
    for scale, size, blur, solarize in CROPS[task]:
        steps = [
            v2.RandomResizedCrop(size, scale=scale, interpolation=3),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*strengths(task))], p=0.8),
            v2.RandomGrayscale(0.2),
        ]
        if blur:
            steps.append(v2.RandomApply([v2.GaussianBlur(taps(size))], p=blur))
        if solarize:
            steps.append(v2.RandomSolarize(128, p=solarize))
        pipelines.append(v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True)]))

    def run():
        for pipeline in pipelines:
            torch.stack([pipeline(picture) for picture in batch])

    return run


def augmax(task: str):
    import augmax as A
    import jax

    if task == "multicrop":
        raise ImportError("one crop at a time")
    _, size, blur, _ = CROPS[task][0]
    b, c, s, h = strengths(task)
    steps = [
        A.RandomSizedCrop(size, size),
        A.HorizontalFlip(),
        A.ColorJitter(brightness=b, contrast=c, saturation=s, hue=h, p=0.8),
        A.RandomGrayscale(p=0.2),
    ]
    if blur:
        steps.append(A.GaussianBlur(sigma=2, p=blur))
    chain = A.Chain(A.ByteToFloat(), *steps)
    batch = jax.numpy.asarray(images(task))
    return _jax(jax.vmap(chain), batch)


def dm_pix(task: str):
    import dm_pix as pix
    import jax

    jnp = jax.numpy
    b, c, s, h = strengths(task)

    def one(key, picture, scale, size, blur, solarize):
        keys = jax.random.split(key, 9)
        side = picture.shape[0]
        u = jax.random.uniform(keys[0], (4,))
        area = scale[0] + u[0] * (scale[1] - scale[0])
        aspect = jnp.exp(jnp.log(0.75) + u[1] * 2 * jnp.log(4 / 3))
        sides = jnp.minimum(1.0, jnp.sqrt(area * jnp.array([1 / aspect, aspect])))
        zoom = size / (side * sides)
        move = -u[2:] * (1 - sides) * side * zoom
        x = jax.image.scale_and_translate(
            picture, (size, size, 3), (0, 1), zoom, move, "cubic"
        )
        x = pix.random_flip_left_right(keys[1], jnp.clip(x, 0, 1))
        y = pix.random_brightness(keys[2], x, max_delta=b)
        y = pix.random_contrast(keys[3], y, lower=1 - c, upper=1 + c)
        y = pix.random_saturation(keys[4], y, lower=1 - s, upper=1 + s)
        y = jnp.clip(pix.random_hue(keys[5], y, max_delta=h), 0, 1)
        x = jnp.where(jax.random.bernoulli(keys[6], 0.8), y, x)
        grey = pix.rgb_to_grayscale(x, keep_dims=True)
        x = jnp.where(jax.random.bernoulli(keys[7], 0.2), grey, x)
        if blur:
            on, width, sun = jax.random.split(keys[8], 3)
            sigma = jax.random.uniform(width, minval=0.1, maxval=2.0)
            soft = pix.gaussian_blur(x, sigma, taps(size))
            x = jnp.where(jax.random.bernoulli(on, blur), soft, x)
            if solarize:
                dark = pix.solarize(x, 0.5)
                x = jnp.where(jax.random.bernoulli(sun, solarize), dark, x)
        return x

    def several(keys, batch):
        floats = batch.astype(jnp.float32) / 255
        out = []
        for i, crop in enumerate(CROPS[task]):
            scale, size, blur, solarize = crop
            new = jax.vmap(functools.partial(jax.random.fold_in, data=i))(keys)
            make = functools.partial(
                one, scale=scale, size=size, blur=blur, solarize=solarize
            )
            out.append(jax.vmap(make)(new, floats))
        return out

    return _jax(several, jnp.asarray(images(task)))


def _jax(function, batch):
    import jax

    step, count = jax.jit(function), iter(range(10_000))

    def run():
        keys = jax.random.split(jax.random.key(next(count)), len(batch))
        jax.block_until_ready(step(keys, batch))

    return run


PEERS = {f.__name__: f for f in (kornia, torchvision, augmax, dm_pix)}


@functools.cache
def made(task: str, name: str):
    try:
        run = PEERS[name](task)
        run()
    except Exception as error:  # a peer that does not install or run is left out
        print(f"{name} is left out: {error!r:.200}", file=sys.stderr)
        return None
    return run


def answer(question: dict):
    """The names of the peers for a task, or the seconds of one run."""
    task = question["task"]
    assert task in TASKS
    if "name" not in question:
        return [name for name in PEERS if made(task, name) is not None]
    run = made(task, question["name"])
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    serve(answer)
