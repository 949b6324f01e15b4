"""Swin transformers by size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from sslax import platforms
from sslax.arrays import at_least_float32, check_choice
from sslax.core import Net
from sslax.models._layers import Conv, LayerNorm
from sslax.models._looks import attention_asked
from sslax.models._nets import Selected, compute_dtype, from_linen, named, select
from sslax.models._swin_block import PatchMerging, SwinBlock, received

__all__ = ["swin", "swin_base", "swin_large", "swin_small", "swin_tiny"]

# Width, depths, heads.
SIZES = {
    "tiny": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "small": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "base": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "large": (192, (2, 2, 18, 2), (6, 12, 24, 48)),
}


class Swin(nn.Module):
    """Patches, stages of windowed blocks with merging between, norm."""

    width: int
    depths: Sequence[int]
    heads: Sequence[int]
    window_size: int
    patch_size: int
    mlp_ratio: float | int
    masked: str | None
    qkv_bias: bool
    norm_eps: float | int
    drop_path: float | int
    output: Any
    remat: bool
    attention: Any
    dtype: Any

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "b h w c"],
        keep: Int[Array, "b k"] | None = None,
        mask: Shaped[Array, "b ..."] | None = None,
        *,
        train: bool = False,
    ) -> Selected:
        if keep is not None:
            raise ValueError("a Swin transformer looks at all patches; keep is given")
        self._check_sides(*images.shape[1:3])
        x = self._patches(images)
        outputs = {"patch_embed": x}
        x, hidden = self._masked(x, mask)
        asked = attention_asked(self.output, sum(self.depths))
        rates = np.linspace(0.0, self.drop_path, sum(self.depths))
        number = 0
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                name, maps = f"layer{i + 1}_{j}", number in asked
                block = self._block(i, j, x.shape[1:3], name, maps, train)
                x, weights = block(x, float(rates[number]), hidden)
                x = platforms.computed_once(x)
                outputs[f"block{number}"] = x
                if maps:
                    outputs[f"attention{number}"] = weights
                    looks = received(weights, x.shape[1:3], block.window, block.shift)
                    outputs["attention"] = looks
                number += 1
            outputs[f"stage{i + 1}"] = x
            if i + 1 < len(self.depths):
                x = PatchMerging(self.norm_eps, self.dtype, name=f"merge{i + 1}")(x)
                outputs[f"merged{i + 1}"] = x
                hidden = None if hidden is None else hidden[:, ::2, ::2]
        x = self._norm("norm")(x)
        outputs["map"] = x
        outputs["tokens"] = x.reshape(x.shape[0], -1, x.shape[-1])
        outputs["pooled"] = at_least_float32(x).mean(axis=(1, 2))
        return select(outputs, self.output)

    def _check_sides(self, height, width):
        """Every window and every merging must fit."""
        merges = len(self.depths) - 1
        step = self.patch_size * 2**merges
        for side in (height, width):
            if side % step or side < step:
                low = max(side // step, 1) * step
                raise ValueError(
                    f"patches of {self.patch_size} pixels, merged {merges} times, need "
                    f"sides that {step} divides; the image has {height} x {width} "
                    f"pixels, the nearest sizes are {low} and {low + step}"
                )
        for i in range(len(self.depths)):
            grid = height // self.patch_size // 2**i, width // self.patch_size // 2**i
            window = min(self.window_size, *grid)
            if grid[0] % window or grid[1] % window:
                sides = range(1, min(grid) + 1)
                fits = [w for w in sides if grid[0] % w == 0 == grid[1] % w]
                nearest = min(fits, key=lambda w: abs(w - self.window_size))
                raise ValueError(
                    f"window_size {self.window_size} does not divide the grid of "
                    f"{grid[0]} x {grid[1]} patches in stage {i + 1}; the nearest that "
                    f"does is {nearest}, and images with sides of a multiple of "
                    f"{step * self.window_size} pixels fit"
                )

    def _patches(self, images):
        x = Conv(
            self.width,
            self.patch_size,
            self.patch_size,
            padding=0,
            use_bias=True,
            kernel_init="uniform",
            dtype=self.dtype,
            name="patch_embed",
        )(images)
        return self._norm("patch_norm")(x)

    def _norm(self, name):
        return LayerNorm(epsilon=self.norm_eps, dtype=self.dtype, name=name)

    def _masked(self, x, mask):
        """(map with the mask token in, hidden places or None)."""
        if self.masked == "token":
            normal = nn.initializers.normal(0.02)
            token = self.param("mask_token", normal, (1, 1, self.width), jnp.float32)
        if mask is None:
            return x, None
        if self.masked is None:
            raise ValueError("a mask is given to a net made with masked=None")
        mask = mask.reshape(*x.shape[:3]).astype(bool)
        if self.masked == "hidden":
            return x, mask
        return jnp.where(mask[..., None], token.astype(x.dtype)[None], x), None

    def _block(self, stage, number, grid, name, maps, train):
        window = min(self.window_size, *grid)
        shifted = number % 2 == 1 and min(grid) > self.window_size
        width = self.width * 2**stage
        return (nn.remat(SwinBlock) if self.remat else SwinBlock)(
            heads=self.heads[stage],
            mlp_width=round(width * self.mlp_ratio),
            window=window,
            shift=window // 2 if shifted else 0,
            qkv_bias=self.qkv_bias,
            epsilon=self.norm_eps,
            implementation=self.attention,
            dtype=self.dtype,
            train=train,
            drops=self.drop_path > 0,
            maps=maps,
            name=name,
        )


def swin(
    *,
    size: str = "tiny",
    width: int | None = None,
    depths: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    window_size: int = 7,
    patch_size: int = 4,
    mlp_ratio: float | int = 4,
    masked: str | None = None,
    qkv_bias: bool = True,
    norm_eps: float | int = 1e-5,
    drop_path: float | int = 0.0,
    output: str | Sequence[str] = "pooled",
    remat: bool = False,
    attention: str | None = None,
    dtype: str | None = None,
) -> Net:
    """A Swin transformer: attention in windows that shift, a pyramid of four stages.

    Pre-norm blocks, fused q, k, v, exact GELU, LayerNorm, one table of relative
    positions per block (which SimMIM's code decays). A stage whose grid is not larger
    than the window has one window and no shift. Inputs are `(images, keep=None,
    mask=None)` as in `vit`; `keep` must be None, `mask` is `[b n]` or `[b h w]` on the
    grid of patches.

    Args:
      size: "tiny", "small", "base" or "large".
      width: channels of the first stage (each next has twice as many), in place of
        the size's.
      depths: blocks of the stages, in place of the size's.
      heads: attention heads of the stages, in place of the size's.
      window_size: side of a window in patches: 7 for 224 pixels, 6 for 192.
      patch_size: side of a patch in pixels.
      mlp_ratio: width of the MLP over that of the stage.
      masked: what `mask` does: "token" puts a learned token in the place of masked
        patches, after the patch norm (SimMIM); "hidden" lets no patch attend to
        masked ones (LocalMIM, where whole patches of the last stage are masked: what
        the others become is as if they were alone); None takes no mask.
      qkv_bias: whether q, k, v have biases.
      norm_eps: epsilon of LayerNorm; 1e-6 in LocalMIM.
      drop_path: rate of the last block, growing linearly from 0; no key, no drops.
      output: "pooled" [b d] (mean of the map), "map" [b h w d] and "tokens" [b h*w d]
        (after the final norm), "patch_embed", "block0", ... (counted over all stages),
        "stage1", ... (maps after the blocks of a stage), "merged1", ... (the same
        after merging: what the next stage is given), "attention0", ...
        [b windows heads n n], windows and patches in raster order after the shift,
        "attention" [b heads h w] (the mean that each place of the last block receives);
        several names give a dict.
      remat: compute blocks again in the backward pass to save memory.
      attention: implementation for `jax.nn.dot_product_attention`: None, "xla" or
        "cudnn".
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]`.

    Raises:
      ValueError: an unknown name; depths and heads that differ in length; heads that
        do not divide the width; and, when it is called, an image whose patches
        merging or windows do not divide.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = swin(width=8, depths=(2, 2), heads=(1, 2), window_size=4)
      >>> image = jnp.zeros((2, 32, 32, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 16)

    References:
      Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
      Windows", 2021, arXiv:2103.14030. Xie et al., "SimMIM: A Simple Framework for
      Masked Image Modeling", 2022, arXiv:2111.09886. Wang et al., "Masked Image
      Modeling with Local Multi-Scale Reconstruction", 2023, arXiv:2303.05251.

    Note:
      Windows that do not divide the grid are an error here; some codes pad them with
      zeros, which attention then sees.
    """
    check_choice(SIZES, size=size)
    check_choice((None, "token", "hidden"), masked=masked)
    width, depths, heads = (
        default if given is None else given
        for given, default in zip((width, depths, heads), SIZES[size], strict=True)
    )
    if len(depths) != len(heads):
        raise ValueError(
            f"depths {tuple(depths)} and heads {tuple(heads)} differ in length"
        )
    for i, count in enumerate(heads):
        if width * 2**i % count:
            raise ValueError(
                f"{count} heads do not divide the width {width * 2**i} of stage {i + 1}"
            )
    module = Swin(
        width=width,
        depths=tuple(depths),
        heads=tuple(heads),
        window_size=window_size,
        patch_size=patch_size,
        mlp_ratio=mlp_ratio,
        masked=masked,
        qkv_bias=qkv_bias,
        norm_eps=norm_eps,
        drop_path=drop_path,
        output=output if isinstance(output, str) else tuple(output),
        remat=remat,
        attention=attention,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)


def _sized(size: str) -> Callable[..., Net]:
    def build(**options: Any) -> Net:
        return swin(size=size, **options)

    build.__name__ = build.__qualname__ = f"swin_{size}"
    build.__doc__ = f"""Swin of size {size!r}: `swin(size={size!r}, ...)`.

    Returns:
      A net of images `[b h w c]`.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = swin_{size}(depths=(1, 1, 1, 1))
      >>> image = jnp.zeros((1, 224, 224, 3))
      >>> shapes = jax.eval_shape(net.init, jax.random.key(0), image)

    References:
      Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
      Windows", 2021, arXiv:2103.14030, section 3.3.
    """
    return build


swin_tiny = named(_sized("tiny"), swin, size="tiny")
swin_small = named(_sized("small"), swin, size="small")
swin_base = named(_sized("base"), swin, size="base")
swin_large = named(_sized("large"), swin, size="large")
