"""Adapters from stored cases to public sslax functions: augment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sslax import augment

CONTRASTIVE: dict = {}


def _last(x):
    """Stored `[b c h w]` as `[b h w c]`."""
    return jnp.asarray(x).transpose(0, 2, 3, 1)


def _first(x):
    return jnp.asarray(x).transpose(0, 3, 1, 2)


def _quantities(values) -> np.ndarray:
    """Mean, deviation and percentiles, as stored."""
    values = np.asarray(values, np.float64)
    points = np.percentile(values, (0, 1, 5, 25, 50, 75, 95, 99, 100))
    return np.concatenate([[values.mean(), values.std()], points])


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
    for letters in ("bcsh", "hscb"):
        order = jnp.array([["bcsh".index(c) for c in letters]] * x.shape[0])
        out[f"out/jitter_order_{letters}"] = _first(augment.jitter(x, amounts, order))
    return out


def _tensorflow_colours(arrays, parameters, colour):
    x = jnp.asarray(arrays["in/x"])[None]
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
    x = jnp.asarray(arrays["in/x"])[None]
    for size in ((8, 8), (20, 24)):
        name = f"{size[0]}x{size[1]}"
        for method, key in (
            ("bicubic", "resize_bicubic"),
            ("bilinear", "resize_bilinear"),
            ("bicubic_tf1", "resize_tf1_bicubic"),
        ):
            made = augment.resize(x, size=size, method=method, antialias=False)
            out[f"out/{key}_{name}"] = made[0]
    height, width = x.shape[1:3]
    side = round(0.875 * min(height, width))
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    box = jnp.array([[top, left, side, side]], x.dtype)
    cut = augment.crop_resize(x, box, size=8, antialias=False)
    return {**out, "out/center_crop_0875_8x8": cut[0]}


def byol_colours(arrays, parameters):
    out = _tensorflow_colours(arrays, parameters, "byol")
    x = jnp.asarray(arrays["in/x"])[None]
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
    bytes_ = augment.to_float(jnp.asarray(arrays["in/x_uint8_hwc"]))[None]
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
        # A quarter turn samples halfway between pixels: which one is nearest is noise.
        samplings = ("bilinear",) if degrees % 90 == 0 else ("nearest", "bilinear")
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
            f"stat/area_fraction_{name}": _quantities(area),
            f"stat/log_aspect_{name}": _quantities(aspect),
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
    bytes_ = augment.to_float(jnp.asarray(arrays["in/x_uint8_hwc"]))[None]
    out = {
        f"out/solarize_{t}": _first(augment.solarize(x, threshold=t))
        for t in parameters["thresholds"]
    }
    out["out/hflip"] = _first(augment.horizontal_flip(x))
    out["out/normalize"] = _first(augment.normalize(x, statistics="imagenet"))

    def as_bytes(image):
        return jnp.round(image[0] * 255).astype(jnp.uint8)

    out["out/pil_solarize"] = as_bytes(augment.solarize(bytes_, threshold=128 / 255))
    out["out/posterize_4bits_uint8"] = as_bytes(augment.posterize(bytes_, 4))
    return out


def mae_random(arrays, parameters):
    if "in/L" in arrays:
        counts, ratios = arrays["in/L"], arrays["in/ratio"]
        # A ratio of 1 keeps nothing and is refused.
        keep = np.array(
            [
                [
                    0
                    if ratio >= 1
                    else jax.eval_shape(
                        lambda noise, r=ratio: augment.mask_from_noise(noise, ratio=r),
                        jax.ShapeDtypeStruct((1, int(count)), jnp.float32),
                    ).keep.shape[1]
                    for ratio in ratios.astype(np.float64).round(6).tolist()
                ]
                for count in counts
            ],
            np.int32,
        )
        return {"out/keep": keep}
    made = augment.mask_from_noise(
        jnp.asarray(arrays["in/noise"]), ratio=parameters["mask_ratio"]
    )
    x = jnp.asarray(arrays["in/x"])
    kept = jnp.take_along_axis(x, made.keep[..., None], axis=1)
    return {
        "out/x_masked": kept,
        "out/mask": made.mask,
        "out/ids_restore": made.restore,
        "out/ids_keep": made.keep,
    }


def simmim(arrays, parameters):
    rows = parameters["input_size"] // parameters["mask_patch_size"]
    repeat = parameters["mask_patch_size"] // parameters["model_patch_size"]
    masks = augment.unit_mask_from_order(
        jnp.asarray(arrays["in/permutations"]),
        grid=(rows, rows),
        ratio=parameters["mask_ratio"],
        repeat=repeat,
    )
    count = int(masks[0].sum())
    return {
        "out/masks": masks.astype(jnp.int8),
        "out/mask_count": np.int32(count // repeat**2),
        "out/fine_count": np.int32(count),
    }


def _block_statistics(made, occupancy_of):
    mask = np.asarray(made.mask)
    count = mask.sum(axis=(1, 2))
    blocks = np.asarray(made.blocks)[:, :, 2:].reshape(-1, 2)
    h, w = blocks[blocks[:, 0] > 0].T
    return {
        "stat/count_summary": _quantities(count),
        "stat/blocks_per_mask_summary": _quantities(made.count),
        "stat/block_height_summary": _quantities(h),
        "stat/block_width_summary": _quantities(w),
        "stat/block_log_aspect_summary": _quantities(np.log(h / w)),
        "stat/occupancy": occupancy_of.mean(axis=0),
    }


def blockwise(arrays, parameters):
    most = parameters["max_num_patches"]
    target = parameters["num_masking_patches"]
    made = augment.block_mask(
        jax.random.key(5),
        jnp.full(parameters["draws"], float(target)),
        grid=tuple(parameters["grid"]),
        least=parameters["min_num_patches"],
        most=most,
        aspect=(parameters["min_aspect"], parameters["max_aspect"]),
        exact=parameters["version"] != "beit",
    )
    mask = np.asarray(made.mask)
    out = _block_statistics(made, mask)
    count = mask.sum(axis=(1, 2)).astype(int)
    blocks = np.asarray(made.blocks)[:, :, 2:].reshape(-1, 2)
    h, w = blocks[blocks[:, 0] > 0].T
    return {
        **out,
        "stat/count_hist": np.bincount(count, minlength=target + 1),
        "stat/block_area_summary": _quantities(h * w),
        "stat/height_hist": np.bincount(h, minlength=parameters["grid"][0] + 1),
        "stat/width_hist": np.bincount(w, minlength=parameters["grid"][1] + 1),
    }


def ibot(arrays, parameters):
    height, width = parameters["grid"]
    draws, cells = parameters["draws"], height * width
    ratios, spread = parameters["pred_ratio"], parameters["pred_ratio_var"]
    listed = isinstance(ratios, list)
    ratio = augment.random_ratio(
        jax.random.key(6),
        batch=draws,
        ratios=tuple(ratios) if listed else (ratios,),
        spread=tuple(spread) if listed else (spread,),
    )
    target = ratio * cells
    if parameters["shape"] == "rand":
        noise = jax.random.uniform(jax.random.key(7), (draws, cells))
        rank = jnp.argsort(jnp.argsort(noise, axis=1), axis=1)
        hidden = jnp.trunc(target + 1e-4)[:, None]
        mask = np.asarray(rank < hidden, np.float32).reshape(draws, height, width)
        out = {"stat/occupancy": mask.mean(axis=0)}
        out["stat/count_summary"] = _quantities(mask.sum(axis=(1, 2)))
    else:
        made = augment.block_mask(
            jax.random.key(8),
            target,
            grid=(height, width),
            least=(min(height, width) // 3) ** 2,
            aspect=tuple(parameters["aspect"]),
        )
        mask = np.asarray(made.mask)
        out = _block_statistics(made, mask)
    count = mask.sum(axis=(1, 2)).astype(int)
    if listed:
        out["stat/target_summary"] = _quantities(target)
        out["stat/shortfall_summary"] = _quantities(np.asarray(target) - count)
    return {
        **out,
        "stat/count_hist": np.bincount(count, minlength=cells + 1),
        "stat/empty_fraction": np.mean(count == 0),
    }


def rotation(arrays, parameters):
    images = jnp.asarray(arrays["in/images"])
    turned = [augment.rot90(images, turns=a // 90) for a in parameters["angles"]]
    turned = jnp.stack(turned, axis=1)
    labels = jnp.array([a // 90 for a in parameters["angles"]], jnp.int32)
    return {
        "out/rotated": turned.reshape(-1, *images.shape[1:]),
        "out/labels": jnp.tile(labels, images.shape[0]),
    }


def jigsaw(arrays, parameters):
    if "in/permutation" in arrays:
        stored = jnp.asarray(arrays["in/tiles"]).transpose(0, 2, 3, 1)[None]
        order = jnp.asarray(arrays["in/permutation"])[None]
        shuffled = augment.shuffle(stored, order)
        normalised = augment.normalize_patches(stored)
        return {
            "out/shuffled": shuffled[0].transpose(0, 3, 1, 2),
            "out/normalised": normalised[0].transpose(0, 3, 1, 2),
        }
    out = {}
    for ours, theirs in (("max_mean", "max_avg"), ("max_min", "max_min")):
        table = augment.permutation_set(count=1000, criterion=ours)
        for count in (100, 1000):
            distance = augment.hamming_distances(table[:count])
            name = f"out/{theirs}_{count}_first0"
            out[f"{name}_min"] = np.int32(distance.min())
            out[f"{name}_mean"] = distance.mean()
            out[f"{name}_hist"] = np.bincount(distance, minlength=10).astype(np.int32)
        out[f"out/{theirs}_100_first0_indices"] = _lexicographic(table[:100])
    return out


def _lexicographic(permutations) -> np.ndarray:
    """The number of each permutation in lexicographic order."""
    permutations = np.asarray(permutations, np.int64)
    tiles = permutations.shape[1]
    index = np.zeros(len(permutations), np.int64)
    for i in range(tiles):
        smaller = (permutations[:, i + 1 :] < permutations[:, i : i + 1]).sum(axis=1)
        index = index * (tiles - i) + smaller
    return index.astype(np.int32)


def context_prediction(arrays, parameters):
    offset = jnp.asarray(arrays["in/offset_dx_dy"])
    return {
        "out/label": augment.neighbour_label(offset),
        "out/opposite_label": augment.neighbour_label(-offset),
    }


def exemplar(arrays, parameters):
    image = jnp.asarray(arrays["in/image"])[None]
    out = {}
    for gradient in ("central", "sobel"):
        energy = augment.gradient_energy(image, gradient=gradient)
        score = augment.patch_scores(energy, size=parameters["patch"])[0]
        out[f"out/gradient_magnitude_{gradient}"] = jnp.sqrt(energy[0])
        out[f"out/score_{gradient}"] = score
        out[f"out/prob_{gradient}"] = score / score.sum()
    return out


def lab(arrays, parameters):
    if "in/prob" in arrays:
        return _scaled_lab(arrays, parameters)
    rgb = jnp.asarray(arrays["in/rgb"])[None]
    bytes_ = jnp.asarray(arrays["in/rgb_uint8"])[None]
    bytes_ = bytes_.astype(rgb.dtype) / 255
    back = augment.lab_to_rgb(jnp.asarray(arrays["in/lab_for_inverse"])[None])
    return {
        "out/lab": augment.rgb_to_lab(rgb)[0],
        "out/xyz": augment.rgb_to_xyz(rgb)[0],
        "out/lab_from_uint8": augment.rgb_to_lab(bytes_)[0],
        "out/rgb_roundtrip": back[0],
    }


def _scaled_lab(arrays, parameters):
    made = augment.rgb_to_lab(_last(arrays["in/rgb"]))
    centre, scale = parameters["l_cent"], parameters["l_norm"]
    step, largest = parameters["ab_quant"], parameters["ab_max"]
    scaled = jnp.concatenate(
        [(made[..., :1] - centre) / scale, made[..., 1:] / parameters["ab_norm"]], -1
    )
    index = augment.ab_to_index(made[..., 1:], step=step, largest=largest)
    grid = augment.ab_grid(step=step, largest=largest) / parameters["ab_norm"]
    prob = _last(arrays["in/prob"])
    mean = jnp.einsum("bhwq,qc->bhwc", prob, jnp.asarray(grid, prob.dtype))
    return {
        "out/lab_scaled": _first(scaled),
        "out/index": index[:, None],
        "out/decode_mean": _first(mean),
        "out/rgb_back": _first(augment.lab_to_rgb(made)),
    }


def ab_bins(arrays, parameters):
    return {
        "out/prior": augment.ab_prior(),
        "out/centres": augment.ab_centres().astype(np.int16),
    }


VISION: dict = {
    "augment/affine": affine,
    "augment/byol_jax": byol_colours,
    "augment/color_torchvision": torchvision_colours,
    "augment/gaussian_blur": gaussian_blur,
    "augment/random_resized_crop_stats": box_statistics,
    "augment/resized_crop": resized_crop,
    "augment/simclr_tf": simclr_colours,
    "augment/solarize_flip": solarize_flip,
    "masking/blockwise": blockwise,
    "masking/ibot": ibot,
    "masking/mae_random": mae_random,
    "masking/simmim": simmim,
    "pretext/colorization_bins": ab_bins,
    "pretext/colorization_lab": lab,
    "pretext/context_prediction": context_prediction,
    "pretext/exemplar": exemplar,
    "pretext/jigsaw": jigsaw,
    "pretext/rotation": rotation,
}

SKIPPED = {
    "augment/gaussian_blur": {
        "pil_radius*": "Pillow approximates a Gaussian by three box blurs",
    },
    "augment/affine": {
        "kornia_*": "a second rotation with another border rule",
        "rotate_90.0_nearest": "samples halfway between pixels, where rounding decides",
    },
    "augment/resized_crop": {
        "*_bicubic_pil_uint8": "Pillow rounds and clips bytes between the two passes",
    },
    "masking/mae_random": {
        "keep_minus_exact": "says where the stored counts are not exact",
        "L_minus_int_L_ratio": "another rule, given for contrast",
    },
    "masking/simmim": {"ceil_table": "counts of other grids, held by the mask tests"},
    "pretext/colorization_bins": {
        "occupied_by_nearest_rounding": "a study of the gamut",
    },
    "pretext/colorization_lab": {"max_abs_diff_*": "differences of two references"},
    "pretext/jigsaw": {
        "bbrattoli_*": "a permutation set found elsewhere by random ties",
        "*_first123456_*": "sets from another start; only the first is stored",
        "lexicographic_examples": "examples of the numbering",
        "boxes": "cells one pixel larger, which overlap; ours do not",
    },
}
