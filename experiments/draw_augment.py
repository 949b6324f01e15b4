"""Draws docs/augment.md: one picture for each image function and view builder.

    python -m experiments.draw_augment [--out docs]

The picture is procedural (shapes on a colour wheel), so nothing has to be downloaded.
"""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from sslax import augment, data, views
from sslax.train.pictures import grid, pictures

SIDE = 96
KEY = jax.random.key(3)


def scene(count: int = 4, side: int = SIDE) -> np.ndarray:
    """Disks and bars on a background of changing colour, each image another."""
    y, x = np.mgrid[:side, :side] / side
    out = []
    for i in range(count):
        turn = 2 * np.pi * (x + 0.4 * i + 0.3 * y)
        picture = np.stack(
            [0.5 + 0.35 * np.cos(turn + 2.1 * c) * (0.4 + 0.6 * y) for c in range(3)],
            -1,
        )
        centre = 0.3 + 0.1 * i, 0.6 - 0.08 * i
        disk = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 0.04
        bar = (abs(x + y - 1.3 + 0.1 * i) < 0.05) & (y > 0.4)
        picture[disk] = (0.95, 0.75 - 0.2 * i, 0.15 + 0.25 * i)
        picture[bar] = (0.1, 0.15, 0.35 + 0.15 * i)
        out.append(picture)
    return np.clip(np.stack(out), 0, 1).astype(np.float32)


def four(function, values):
    """The first image under four values of one parameter."""
    image = jnp.broadcast_to(jnp.asarray(scene()[:1]), (4, SIDE, SIDE, 3))
    return function(image, jnp.asarray(values))


def boxes_drawn(image, boxes):
    image = np.array(image)
    for picture, (top, left, height, width) in zip(
        image, np.asarray(boxes, int), strict=True
    ):
        bottom, right = top + height - 1, left + width - 1
        picture[[top, bottom], left : right + 1] = (0.92, 0.35, 0.16)
        picture[top : bottom + 1, [left, right]] = (0.92, 0.35, 0.16)
    return image


def masks_drawn(image, mask):
    step = image.shape[1] // mask.shape[1]
    hidden = np.asarray(mask).repeat(step, 1).repeat(step, 2)[..., None]
    return np.asarray(image) * (1 - 0.75 * hidden)


def spaces(image) -> dict[str, np.ndarray]:
    """The planes of each colour space as red, green and blue, and the ways back."""
    hsv, lab = augment.rgb_to_hsv(image), augment.rgb_to_lab(image)
    turned = hsv.at[..., 0].set((hsv[..., 0] + 0.5) % 1.0)
    return {
        "rgb_to_hsv": hsv,
        "hsv_to_rgb": augment.hsv_to_rgb(turned),
        "rgb_to_xyz": augment.rgb_to_xyz(image),
        "rgb_to_ycbcr": augment.rgb_to_ycbcr(image) / 255.0,
        "rgb_to_lab": lab / jnp.array([100.0, 220, 220]) + jnp.array([0, 0.5, 0.5]),
        "lab_to_rgb": augment.lab_to_rgb(lab * jnp.array([1.0, -1.0, 1.0])),
    }


def waves():
    """Displacements `[4 h w 2]`: waves of growing height."""
    y, x = jnp.mgrid[:SIDE, :SIDE] * (2 * jnp.pi / 32)
    height = jnp.arange(1.0, 5.0)[:, None, None, None]
    return height * jnp.stack([jnp.sin(x), jnp.sin(y)], -1)[None]


def functions() -> dict[str, np.ndarray]:
    """A row of pictures `[n h w c]` for each function."""
    image = jnp.asarray(scene())
    whole = augment.whole_box(image)
    mask = jnp.zeros((4, SIDE, SIDE, 1)).at[:, 15:60, 30:75].set(1.0)
    energy = augment.gradient_energy(image)
    scores = augment.patch_scores(energy, size=24)
    corners = augment.sample_corner(KEY, scores)
    crop = jnp.array(
        [[10, 20, 50, 60], [0, 0, 96, 96], [40, 30, 30, 50], [5, 5, 60, 30]]
    )
    noise = jax.random.uniform(KEY, image.shape, minval=-0.3, maxval=0.3)
    target = jnp.eye(4)
    turned = augment.affine_matrix(
        degrees=jnp.array([0.0, 20.0, -35.0, 0.0]),
        scale=jnp.array([0.7, 1.0, 1.2, 1.0]),
        shear=(jnp.array([0.0, 0.0, 10.0, 25.0]), jnp.zeros(4)),
    )
    tiles = augment.random_tiles(KEY, image, grid=3, size=28)[0]
    table = jnp.asarray(augment.permutation_set(count=4), jnp.int32)
    shuffled = augment.shuffle(jnp.broadcast_to(tiles, (4, *tiles.shape)), table)
    blocks = augment.block_mask(KEY, jnp.full(4, 55.0), grid=(12, 12))
    coarse = augment.unit_mask(KEY, batch=4, grid=(6, 6), repeat=2)
    random = augment.random_mask(KEY, batch=4, patches=144).mask.reshape(4, 12, 12)
    sorted_out = augment.mask_from_noise(jnp.arange(4 * 144.0).reshape(4, 144) % 143)
    sorted_out = sorted_out.mask.reshape(4, 12, 12)
    amounts = jnp.tile(jnp.array([[1.2, 0.6, 1.5, 0.2]]), (4, 1))
    orders = jnp.stack([jnp.roll(jnp.arange(4), i) for i in range(4)])
    components = jnp.array([[0.5, 1, 1], [2, 1, 1], [1, 3, 1], [1, 1, 5.0]])
    corner = jnp.tile(jnp.array([[0, 56]]), (4, 1))
    drawn = {
        f"random_box_{rule}": boxes_drawn(
            image, augment.random_box(KEY, whole, rule=rule)
        )
        for rule in ("torchvision", "tf", "byol")
    }
    colours = {
        f"{name}_{colour}": four(
            lambda x, v, n=name, c=colour: jnp.clip(
                getattr(augment, n)(x, v, colour=c), 0, 1
            ),
            [-0.4, -0.2, 0.2, 0.4]
            if (name, colour) == ("brightness", "byol")
            else [0.0, 0.5, 1.5, 2.0],
        )
        for name in ("brightness", "contrast", "saturation")
        for colour in ("torchvision", "simclr", "byol")
    }
    return {
        **colours,
        "hue": four(augment.hue, [-0.3, -0.1, 0.1, 0.3]),
        "grayscale": four(
            lambda x, v: augment.grayscale(x, amount=v), [0.0, 0.3, 0.7, 1.0]
        ),
        "solarize": four(
            lambda x, v: augment.solarize(x, threshold=v), [0.25, 0.5, 0.75, 1.0]
        ),
        "jitter": augment.jitter(image, amounts, orders),
        "random_jitter": augment.random_jitter(KEY, image, probability=1.0),
        **spaces(image),
        "gaussian_blur": four(augment.gaussian_blur, [0.0, 0.5, 1.0, 2.0]),
        "random_blur": augment.random_blur(KEY, image, probability=0.75),
        "crop_resize": augment.crop_resize(image, crop, size=SIDE),
        "resize": augment.resize(image, size=(48, 72)),
        "random_resized_crop": augment.random_resized_crop(KEY, image, size=SIDE),
        **drawn,
        "horizontal_flip": augment.horizontal_flip(image),
        "random_flip": augment.random_flip(KEY, image),
        "rot90": jnp.concatenate([augment.rot90(image[:1], turns=k) for k in range(4)]),
        "rotate": four(augment.rotate, [-30.0, -10.0, 10.0, 30.0]),
        "affine": augment.affine(image, turned),
        "elastic": augment.elastic(image, waves()),
        "random_elastic": augment.random_elastic(KEY, image),
        "random_shift": augment.random_shift(KEY, image, padding=16),
        "random_crop": augment.random_crop(KEY, image, size=64),
        "low_resolution": four(augment.low_resolution, [10.0, 20.0, 40.0, 96.0]),
        "posterize": four(augment.posterize, [1, 2, 3, 4]),
        "equalize": augment.equalize(image * 0.4 + 0.3),
        "autocontrast": augment.autocontrast(image * 0.4 + 0.3),
        "sharpness": four(augment.sharpness, [0.0, 0.5, 1.5, 2.0]),
        "invert": augment.invert(image),
        "apply_operations": augment.apply_operations(
            image, jnp.array([3, 5, 9, 11]), jnp.full(4, 0.9), jnp.ones(4)
        ),
        "random_augment": augment.random_augment(KEY, image, probability=1.0),
        "normalize": augment.normalize(image, statistics="imagenet") / 5 + 0.5,
        "erase": augment.erase(image, crop, noise + 0.5),
        "random_erase": jnp.clip(
            augment.random_erase(KEY, image, probability=1.0), 0, 1
        ),
        "mixup": augment.mixup(image, target, 0.6)[0],
        "cutmix": augment.cutmix(image, target, crop)[0],
        "random_mix": augment.random_mix(KEY, image, target)[0],
        "tiles": augment.tiles(image, jnp.full((4, 9, 2), 2), size=28)[0],
        "random_tiles": tiles,
        "cut": augment.cut(image, corner, corner, size=(40, 40)).reshape(8, 40, 40, 3),
        "standardize_patches": augment.standardize_patches(tiles) / 5 + 0.5,
        "patchify": augment.patchify(image, patch_size=32)[0].reshape(9, 32, 32, 3),
        "unpatchify": augment.unpatchify(
            augment.patchify(image, patch_size=32)[:, ::-1], patch_size=32
        ),
        "shuffle": shuffled[3],
        "patch_grid": augment.patch_grid(image, size=32, stride=16)[0, 0],
        "random_window": augment.random_window(KEY, image, size=84),
        "drop_colours": augment.drop_colours(image, jnp.array([0, 1, 2, 0]), noise)
        + 0.5,
        "project_colours": jnp.clip(augment.project_colours(image), 0, 1),
        "contrast_normalize": augment.contrast_normalize(image - 0.5, level=0.2) + 0.5,
        "gradient_energy": jnp.sqrt(energy)[..., None] * 4,
        "sample_corner": boxes_drawn(
            image, jnp.concatenate([corners, jnp.full((4, 2), 24)], 1)
        ),
        "scale_components": augment.scale_components(image, components),
        "bend_hsv": augment.bend_hsv(
            image,
            value=(jnp.array([0.5, 1.0, 2.0, 1.0]), 1.0, 0.0),
            shift=jnp.array([0, 0.2, 0, -0.2]),
        ),
        "random_exemplar_colours": augment.random_exemplar_colours(KEY, image),
        "spectral_saliency": augment.spectral_saliency(image),
        "saliency_mask": augment.saliency_mask(augment.spectral_saliency(image)),
        "compose": augment.compose(image, mask, jnp.roll(image, 1, axis=0)),
        "remove_background": augment.remove_background(image, mask, level=0.5),
        "tile_background": augment.tile_background(image, mask),
        "mask_from_noise": masks_drawn(image, sorted_out),
        "random_mask": masks_drawn(image, random),
        "block_mask": masks_drawn(image, blocks.mask),
        "unit_mask": masks_drawn(image, coarse),
    }


def builders() -> dict:
    """Every builder of views, as a config would call it."""
    view = views.view(
        size=64, jitter=(0.8, 0.8, 0.8, 0.2), grayscale=0.2, blur=0.5, solarize=0.1
    )
    crop = views.view(size=64)
    alone = views.other_backgrounds(kind="only_background", foreground="saliency")

    def behind(key, batch):
        return views.one_view(view=crop)(key, alone(key, batch))

    return {
        "two_views": views.two_views(first=view),
        "two_domains": views.two_domains(first=crop),
        "multi_crop": views.multi_crop(
            first=view, small=views.view(size=32, scale=(0.05, 0.2)), count=4
        ),
        "pixel_views": views.pixel_views(first=crop),
        "masked": views.masked(view=crop, mask=views.hide_patches(patch_size=8)),
        "hide_alike": views.masked(
            view=crop, mask=views.hide_alike(views.hide_patches(patch_size=8))
        ),
        "masked_crops": views.masked_crops(
            crops=views.multi_crop(
                first=view, small=views.view(size=32, scale=(0.05, 0.2)), count=1
            ),
            mask=views.hide_blocks(patch_size=8, count=None),
        ),
        "rotated": views.rotated(view=crop),
        "jigsaw": views.jigsaw(view=views.view(size=90), tile=24, normalize=False),
        "tiled": views.tiled(view=views.view(size=90), tile=24, normalize=False),
        "counted": views.counted(view=crop, normalize=False),
        "montage": views.montage(view=views.view(size=32)),
        "context_pairs": views.context_pairs(patch=24, gap=8, jitter=2),
        "image_rows": views.image_rows(view=crop, height=16),
        "overlapping_patches": views.overlapping_patches(
            view=crop, size=16, stride=8, window=14
        ),
        "altered_patches": views.overlapping_patches(
            view=crop, size=32, stride=16, window=None, each=views.altered_patches()
        ),
        "exemplars": views.exemplars(patch=32),
        "lab": views.lab(view=crop),
        "channel_views": views.channel_views(view=crop),
        "frame_crops": views.frame_crops(size=80),
        "background": views.background(
            replace="random",
            probability=1.0,
            then=views.one_view(view=crop),
            foreground="saliency",
        ),
        "swapped_backgrounds": views.swapped_backgrounds(
            first=crop, probability=1.0, foreground="saliency"
        ),
        "one_view": views.one_view(view=crop),
        "other_backgrounds": behind,
        "renderings": views.renderings(first=crop, second=view),
        "fixed_crop": views.one_view(view=views.fixed_crop(size=64, resize_to=80)),
        "shifted": views.one_view(view=views.shifted(padding=12)),
        "fine_tuned": views.fine_tuned(view=crop, classes=4),
        "clips": views.clips(size=40, frames=4, ahead=1, reach=3.0, sound=(-4.0, 2.0)),
        "middle_clip": views.middle_clip(size=40, frames=4),
    }


def moving() -> dict[str, jax.Array]:
    """A few clips."""
    source = data.moving_shapes(size=48, frames=6, length=4, seed=1)
    return {name: jnp.asarray(x) for name, x in next(data.batches(source, 4)).items()}


def row(pictures) -> np.ndarray:
    """Pictures side by side as bytes, the last axis made RGB."""
    pictures = np.clip(np.asarray(pictures, np.float32)[:9], 0, 1)
    if pictures.shape[-1] == 1:
        pictures = np.repeat(pictures, 3, axis=-1)
    pad = np.pad(pictures, ((0, 0), (0, 0), (0, 4), (0, 0)), constant_values=1.0)
    return np.round(255 * np.concatenate(list(pad), axis=1)).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs"))
    folder = parser.parse_args().out
    (folder / "augment").mkdir(parents=True, exist_ok=True)
    lines = [
        "# Image functions and views",
        "",
        "Made by `experiments/draw_augment.py`.",
    ]
    lines += ["", "## What goes in", "", "![scene](augment/scene.png)", ""]
    Image.fromarray(row(scene())).save(folder / "augment" / "scene.png", optimize=True)
    lines += ["## sslax.augment", ""]
    for name, shown in functions().items():
        Image.fromarray(row(shown)).save(
            folder / "augment" / f"{name}.png", optimize=True
        )
        base = name if hasattr(augment, name) else name.rsplit("_", 1)[0]
        text = inspect.getdoc(getattr(augment, base)).splitlines()[0]
        lines += [f"### {name}", "", text, "", f"![{name}](augment/{name}.png)", ""]
    lines += ["## sslax.views", ""]
    batch = {
        "image": jnp.asarray(scene()),
        "index": jnp.arange(4),
        "label": jnp.arange(4),
    }
    for name, make in builders().items():
        given = moving() if "clip" in name else batch
        if name == "two_domains":
            given = {**batch, "other": 1.0 - batch["image"][::-1]}
        made = jax.device_get(jax.jit(make)(KEY, given))
        picture = grid(pictures(made, images=3), side=SIDE)
        Image.fromarray(picture).save(
            folder / "augment" / f"views_{name}.png", optimize=True
        )
        text = inspect.getdoc(getattr(views, name)).splitlines()[0]
        lines += [
            f"### {name}",
            "",
            text,
            "",
            f"![{name}](augment/views_{name}.png)",
            "",
        ]
    (folder / "augment.md").write_text("\n".join(lines))
    print(f"wrote {folder / 'augment.md'}")


if __name__ == "__main__":
    main()
