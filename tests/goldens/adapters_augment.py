"""Adapters from stored cases to public sslax functions: augment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import augment
from tests.goldens.reading import quantities

CONTRASTIVE: dict = {}


def _last(x):
    """Stored `[b c h w]` as `[b h w c]`."""
    return jax.device_put(x.transpose(0, 2, 3, 1))


def _first(x):
    return jax.device_put(x.transpose(0, 3, 1, 2))


def torchvision_colours(arrays, parameters):
    x = _last(arrays["in/x"])
    names = ("brightness", "contrast", "saturation", "hue")
    out = {}
    for name in names:
        for amount in parameters[name]:
            out[f"out/{name}_{amount}"] = _first(getattr(augment, name)(x, amount))
    out["out/grayscale3"] = _first(augment.grayscale(x))
    hsv = augment.rgb_to_hsv(x)
    out["out/hsv"] = _first(hsv)
    turn = jnp.array([2 * np.pi, 1.0, 1.0], x.dtype)[None, None, None]
    out["out/kornia_hsv"] = _first(hsv * turn)
    amounts = jnp.array([[parameters[n][0] for n in names]] * x.shape[0], x.dtype)

    def in_order(letters):
        order = jnp.array([["bcsh".index(c) for c in letters]] * x.shape[0])
        return _first(augment.jitter(x, amounts, order))

    return out | {"out/jitter_order_{}": in_order}


def _tensorflow_colours(arrays, parameters, colour):
    x = jax.device_put(arrays["in/x"])[None]
    out = {}
    for name in ("contrast", "saturation"):
        for amount in parameters[name]:
            function = getattr(augment, name)
            out[f"out/{name}_{amount}"] = function(x, amount, colour=colour)[0]
    for shift in parameters["hue"]:
        out[f"out/hue_{shift}"] = augment.hue(x, shift)[0]
    out["out/hsv"] = augment.rgb_to_hsv(x)[0]
    out["out/grayscale"] = augment.grayscale(x)[0]
    for kernel, sigma in parameters["blur_kernel_sigma"]:
        size = 2 * int(kernel / 2) + 1
        blurred = augment.gaussian_blur(x, sigma, kernel_size=size, padding="zero")
        out[f"out/blur_k{kernel}_s{sigma}"] = blurred[0]
    return out


def simclr_colours(arrays, parameters):
    out = _tensorflow_colours(arrays, parameters, "simclr")
    out["out/grayscale"] = out["out/grayscale"][..., :1]
    x = jax.device_put(arrays["in/x"])[None]
    methods = {
        "bicubic": "bicubic",
        "bilinear": "bilinear",
        "tf1_bicubic": "bicubic_tf1",
    }

    def resized(method, height, width):
        size, method = (int(height), int(width)), methods[method]
        return augment.resize(x, size=size, method=method, antialias=False)[0]

    def centre(share, height, width):
        size, share = (int(height), int(width)), float(f"{share[0]}.{share[1:]}")
        box = _centre_box(x.shape[1:3], size[1] / size[0], share)
        box = jnp.array([box], x.dtype)
        return augment.crop_resize(x, box, size=size, antialias=False)[0]

    return {
        **out,
        "out/resize_{}_{}x{}": resized,
        "out/center_crop_{}_{}x{}": centre,
    }


def _centre_box(size, aspect, share):
    """The largest box of an aspect in the middle of an image, times a share."""
    height, width = size
    if aspect > width / height:
        height, width = round(share * width / aspect), round(share * width)
    else:
        height, width = round(share * height), round(share * aspect * height)
    top, left = (size[0] - height + 1) // 2, (size[1] - width + 1) // 2
    return [top, left, height, width]


def byol_colours(arrays, parameters):
    out = _tensorflow_colours(arrays, parameters, "byol")
    x = jax.device_put(arrays["in/x"])[None]
    for delta in parameters["brightness_delta"]:
        out[f"out/brightness_{delta}"] = augment.brightness(x, delta, colour="byol")[0]
    return out


def gaussian_blur(arrays, parameters):
    x = _last(arrays["in/x"])
    out = {}
    for size, sigma in parameters["kernel_sigma"]:
        blurred = augment.gaussian_blur(x, sigma, kernel_size=size)
        out[f"out/k{size}_s{sigma}"] = _first(blurred)
        # Blurring one lit row of a wide image shows the taps.
        line = jnp.zeros((1, 2 * size + 1, 2 * size + 1, 1), x.dtype)
        line = line.at[:, :, size].set(1)
        line = augment.gaussian_blur(line, sigma, kernel_size=size)
        half = size // 2
        taps = line[0, size, size - half : size + half + 1, 0]
        out[f"out/kernel1d_k{size}_s{sigma}"] = taps
    return out


def resized_crop(arrays, parameters):
    x = _last(arrays["in/x"])
    bytes_ = augment.to_float(jax.device_put(arrays["in/x_uint8_hwc"]))[None]
    out = {}
    for i, box in enumerate(parameters["boxes_top_left_height_width"]):
        box = jnp.array([box], x.dtype)
        for size in parameters["out_sizes"]:
            for method in ("bilinear", "bicubic"):
                name = f"out/box{i}_{size[0]}x{size[1]}_{method}"
                made = augment.crop_resize(x, box, size=size, method=method)
                out[f"{name}_aa1"] = _first(made)
                plain = "bicubic_torch" if method == "bicubic" else method
                made = augment.crop_resize(
                    x, box, size=size, method=plain, antialias=False
                )
                out[f"{name}_aa0"] = _first(made)
                if method == "bilinear":
                    made = augment.crop_resize(bytes_, box, size=size, method=method)
                    made = jnp.round(made[0] * 255).astype(jnp.uint8)
                    out[f"{name}_pil_uint8"] = made
    return out


def affine(arrays, parameters):
    x = _last(arrays["in/x"])
    out = {}
    for degrees in parameters["rotations"]:
        # A quarter turn samples halfway between the pixels of an image whose sides
        # differ by an odd number: which one is nearest is noise.
        halfway = degrees % 180 == 90 and sum(x.shape[1:3]) % 2
        samplings = ("bilinear",) if halfway else ("nearest", "bilinear")
        for sampling in samplings:
            made = _first(augment.rotate(x, degrees, sampling=sampling))
            out[f"out/rotate_{degrees}_{sampling}"] = made
    for i, given in enumerate(parameters["affine"]):
        matrix = augment.affine_matrix(
            degrees=given["angle"],
            translate=given["translate"],
            scale=given["scale"],
            shear=given["shear"],
        )
        out[f"out/affine{i}_inverse_matrix"] = matrix
        for sampling in ("nearest", "bilinear"):
            made = augment.affine(x, matrix, sampling=sampling)
            out[f"out/affine{i}_{sampling}"] = _first(made)
    return out


def box_statistics(arrays, parameters):
    out = {}
    for height, width in parameters["sizes"]:
        draws = parameters["draws"]
        box = jnp.broadcast_to(jnp.array([0.0, 0.0, height, width]), (draws, 4))
        drawn = np.asarray(
            augment.random_box(
                jax.random.key(17),
                box,
                scale=parameters["scale"],
                ratio=parameters["ratio"],
            ),
            np.float64,
        )
        top, left, h, w = drawn.T
        area, aspect = h * w / (height * width), np.log(w / h)
        name = f"{height}x{width}"
        room_y, room_x = height - h, width - w
        out |= {
            f"stat/area_fraction_{name}": quantities(area),
            f"stat/log_aspect_{name}": quantities(aspect),
            f"stat/full_image_fraction_{name}": np.mean((h == height) & (w == width)),
            f"stat/relative_position_mean_{name}": np.array(
                [
                    np.mean((top / np.maximum(room_y, 1))[room_y > 0]),
                    np.mean((left / np.maximum(room_x, 1))[room_x > 0]),
                ]
            ),
            f"stat/area_hist20_{name}": np.histogram(area, 20, (0, 1))[0] / draws,
        }
    return out


def solarize_flip(arrays, parameters):
    x = _last(arrays["in/x"])
    bytes_ = augment.to_float(jax.device_put(arrays["in/x_uint8_hwc"]))[None]
    out = {
        f"out/solarize_{t}": _first(augment.solarize(x, threshold=t))
        for t in parameters["thresholds"]
    }
    out["out/hflip"] = _first(augment.horizontal_flip(x))
    out["out/normalize"] = _first(augment.normalize(x, statistics="imagenet"))

    def as_bytes(image):
        return jnp.round(image[0] * 255).astype(jnp.uint8)

    out["out/pil_solarize"] = as_bytes(augment.solarize(bytes_, threshold=128 / 255))

    def posterized(bits):
        return as_bytes(augment.posterize(bytes_, int(bits)))

    return out | {"out/posterize_{}bits_uint8": posterized}


VISION: dict = {
    "augment/affine": affine,
    "augment/byol_jax": byol_colours,
    "augment/color_torchvision": torchvision_colours,
    "augment/gaussian_blur": gaussian_blur,
    "augment/random_resized_crop_stats": box_statistics,
    "augment/resized_crop": resized_crop,
    "augment/simclr_tf": simclr_colours,
    "augment/solarize_flip": solarize_flip,
}

SKIPPED = {
    "augment/gaussian_blur": {
        "pil_radius*": "Pillow approximates a Gaussian by three box blurs",
    },
    "augment/affine": {
        "kornia_*": "a second rotation with another border rule",
        "rotate_*90.0_nearest": "returned unless it samples halfway between pixels",
        "rotate_*270.0_nearest": "returned unless it samples halfway between pixels",
    },
    "augment/resized_crop": {
        "*_bicubic_pil_uint8": "Pillow rounds and clips bytes between the two passes",
    },
}

NOT_READ = {
    "augment/gaussian_blur": {"x_uint8_hwc": "the images that Pillow blurred"},
}
