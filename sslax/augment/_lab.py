"""CIE Lab, YCbCr and the quantised ab plane of colorization."""

from __future__ import annotations

import functools
import pathlib

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32
from sslax.augment._kernels import multiply
from sslax.augment._layout import check_image

TABLES = pathlib.Path(__file__).parent / "tables"
XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)  # D65, 2 degrees


def _lift(image: Array) -> Array:
    return at_least_float32(image)


def _matrix(image: Array, matrix) -> Array:
    return multiply("bhwc,dc->bhwd", image, jnp.asarray(matrix, image.dtype))


def rgb_to_xyz(image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Converts sRGB to CIE XYZ.

    Args:
      image: sRGB images in [0, 1].

    Returns:
      XYZ with Y of white 1, in the dtype given but at least float32.

    Raises:
      ValueError: if the images are not float `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> [round(v, 3) for v in rgb_to_xyz(jnp.ones((1, 1, 1, 3))).ravel().tolist()]
      [0.95, 1.0, 1.089]

    References:
      IEC 61966-2-1, 1999 (sRGB).
    """
    check_image(image, channels=(3,))
    x = _lift(image)
    bent = x > 0.04045
    curve = ((jnp.where(bent, x, 1.0) + 0.055) / 1.055) ** 2.4
    return _matrix(jnp.where(bent, curve, x / 12.92), XYZ)


def rgb_to_lab(image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Converts sRGB to CIE Lab (D65, 2 degrees).

    Args:
      image: sRGB images in [0, 1].

    Returns:
      L in [0, 100], a and b about [-110, 110], at least float32.

    Raises:
      ValueError: if the images are not float `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> round(rgb_to_lab(jnp.ones((1, 1, 1, 3)))[0, 0, 0, 0].item(), 2)
      100.0

    Note:
      The rows of the usual matrix do not sum exactly to the white point, so grey has
      |a| and |b| up to 0.005, as in scikit-image.

    References:
      CIE 15, Colorimetry, 2004. Zhang et al., Colorful Image Colorization, 2016,
      arXiv:1603.08511, section 2.
    """
    t = rgb_to_xyz(image)
    t = t / jnp.asarray(WHITE, t.dtype)[None, None, None]
    high = t > 0.008856
    f = jnp.where(high, jnp.cbrt(jnp.where(high, t, 1.0)), 7.787 * t + 16.0 / 116.0)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return jnp.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def lab_to_rgb(lab: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Converts CIE Lab to sRGB, clipped to [0, 1]; the inverse of `rgb_to_lab`.

    Args:
      lab: L in [0, 100], a and b.

    Returns:
      sRGB images in [0, 1], at least float32.

    Raises:
      ValueError: if the shape is not `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> lab = jnp.array([100.0, 0.0, 0.0]).reshape(1, 1, 1, 3)
      >>> print(lab_to_rgb(lab)[0, 0, 0].round(3))
      [1. 1. 1.]

    References:
      CIE 15, Colorimetry, 2004. IEC 61966-2-1, 1999 (sRGB).
    """
    if lab.ndim != 4 or lab.shape[-1] != 3:
        raise ValueError(f"expected Lab [b h w 3], got shape {tuple(lab.shape)}")
    lab = _lift(lab)
    y = (lab[..., 0] + 16.0) / 116.0
    x, z = lab[..., 1] / 500.0 + y, jnp.maximum(y - lab[..., 2] / 200.0, 0.0)
    f = jnp.stack([x, y, z], axis=-1)
    t = jnp.where(f > 0.2068966, f**3, (f - 16.0 / 116.0) / 7.787)
    t = t * jnp.asarray(WHITE, t.dtype)[None, None, None]
    linear = _matrix(t, np.linalg.inv(np.array(XYZ)))
    bent = linear > 0.0031308
    curve = 1.055 * jnp.where(bent, linear, 1.0) ** (1 / 2.4) - 0.055
    return jnp.clip(jnp.where(bent, curve, 12.92 * linear), 0.0, 1.0)


def rgb_to_ycbcr(image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Converts RGB to YCbCr of BT.601, on the studio scale of 0..255.

    Args:
      image: RGB images in [0, 1].

    Returns:
      Y in [16, 235], Cb and Cr in [16, 240], at least float32.

    Raises:
      ValueError: if the images are not float `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> print(rgb_to_ycbcr(jnp.ones((1, 1, 1, 3)))[0, 0, 0].round(2))
      [235. 128. 128.]

    References:
      ITU-R BT.601. Tian et al., Contrastive Multiview Coding, 2019, arXiv:1906.05849,
      section 4.1.
    """
    check_image(image, channels=(3,))
    matrix = (
        (65.481, 128.553, 24.966),
        (-37.797, -74.203, 112.0),
        (112.0, -93.786, -18.214),
    )
    out = _matrix(_lift(image), matrix)
    return out + jnp.asarray((16.0, 128.0, 128.0), out.dtype)[None, None, None]


@functools.cache
def _table(name: str) -> np.ndarray:
    return np.load(TABLES / name)


def ab_centres() -> Float[np.ndarray, "q 2"]:
    """The 313 quantised colours of Colorful Image Colorization.

    Returns:
      Centres (a, b), multiples of 10, sorted by a, then b.

    Example:
      >>> ab_centres().shape
      (313, 2)

    Note:
      The set is data: no stated rule over the sRGB gamut gives exactly these 313.

    References:
      Zhang et al., Colorful Image Colorization, 2016, arXiv:1603.08511, section 2.1.
    """
    return _table("ab_313.npy").astype(np.float32)


def ab_prior() -> Float[np.ndarray, " q"]:
    """How often each of the 313 colours occurs in ImageNet; sums to 1.

    Returns:
      The empirical distribution over `ab_centres`.

    Example:
      >>> round(float(ab_prior().sum()), 6)
      1.0

    References:
      Zhang et al., Colorful Image Colorization, 2016, arXiv:1603.08511, section 2.2.
    """
    return _table("ab_prior_313.npy")


def ab_grid(*, step: float = 10.0, largest: float = 110.0) -> Float[np.ndarray, "q 2"]:
    """The full square grid of quantised colours: 23 x 23 = 529 by default.

    Args:
      step: distance of neighbours.
      largest: the grid runs from -largest to largest in a and b.

    Returns:
      Centres (a, b), sorted by a, then b.

    Example:
      >>> ab_grid().shape
      (529, 2)

    References:
      Zhang et al., Real-Time User-Guided Image Colorization with Learned Deep Priors,
      2017, arXiv:1705.02999.
    """
    line = np.arange(-largest, largest + step / 2, step, dtype=np.float32)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


def ab_to_index(
    ab: Float[Array, "b h w 2"], *, step: float = 10.0, largest: float = 110.0
) -> Int[Array, "b h w"]:
    """The cell of `ab_grid` that each colour rounds to (half to even).

    Args:
      ab: a and b in [-largest, largest].
      step: distance of neighbours.
      largest: half side of the grid.

    Returns:
      int32 indices into `ab_grid`.

    Example:
      >>> import jax.numpy as jnp
      >>> ab_to_index(jnp.array([[[[0.0, 4.0]]]])).item()
      264

    References:
      Zhang et al., Real-Time User-Guided Image Colorization with Learned Deep Priors,
      2017, arXiv:1705.02999.
    """
    side = round(2 * largest / step) + 1
    cell = jnp.round((_lift(ab) + largest) / step).astype(jnp.int32)
    cell = jnp.clip(cell, 0, side - 1)
    return cell[..., 0] * side + cell[..., 1]


def nearest_centre(
    ab: Float[Array, "b h w 2"], centres: Float[Array, "q 2"]
) -> Int[Array, "b h w"]:
    """The nearest quantised colour of every pixel.

    Args:
      ab: a and b of the pixels.
      centres: quantised colours, such as `ab_centres()`.

    Returns:
      int32 indices into the centres; ties go to the lowest.

    Example:
      >>> import jax.numpy as jnp
      >>> centres = jnp.array([[0.0, 0.0], [10.0, 0.0]])
      >>> nearest_centre(jnp.array([[[[6.0, 1.0]]]]), centres).item()
      1

    References:
      Zhang et al., Colorful Image Colorization, 2016, arXiv:1603.08511, section 2.1.
    """
    ab, centres = _lift(ab), _lift(centres)
    # argmin of |ab - c|^2 without the part that does not depend on the centre.
    score = multiply("bhwc,qc->bhwq", ab, centres) * 2.0
    score = score - jnp.sum(centres**2, axis=1)[None, None, None]
    return jnp.argmax(score, axis=-1).astype(jnp.int32)
