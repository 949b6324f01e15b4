"""Residual networks for video, with space and time apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm
from sslax.models._layers import Conv, dense_init
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._parameter import parameter

__all__ = ["video_resnet"]

_STAGES = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


class TemporalConv(nn.Module):
    """A convolution over 3 frames of `[b t h w c]`, zeros before and after."""

    features: int
    stride: int
    kernel_init: str
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b s h w d"]:
        shape = (3, x.shape[-1], self.features)
        kernel = parameter(self, "kernel", dense_init(self.kernel_init), shape)
        x, kernel = promote_dtype(x, kernel, dtype=self.dtype)
        frames = x.shape[1]
        x = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
        shifted = [x[:, i : i + frames : self.stride] for i in range(3)]
        patches = jnp.concatenate(shifted, axis=-1)
        return patches @ kernel.reshape(-1, self.features)


class SpatialConv(nn.Module):
    """A convolution of every frame of `[b t h w c]`; a 1x1 may skip frames as well."""

    features: int
    size: int
    stride: int
    conv: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b t h w c"]) -> Float[Array, "b s i j d"]:
        x = x[:, :: self.stride] if self.size == 1 else x
        conv = self.conv(self.features, self.size, self.stride, name="conv")
        y = conv(x.reshape(-1, *x.shape[2:]))
        return y.reshape(*x.shape[:2], *y.shape[1:])


class SpaceTimeConv(nn.Module):
    """A convolution in space, norm, ReLU, a convolution in time.

    Between the two are as many channels as give the parameters of the 3-D convolution.
    """

    features: int
    size: int
    stride: int
    frame_stride: int
    middle: int | None
    conv: Any
    temporal: Any
    norm: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t h w c"], *, train: bool = False
    ) -> Float[Array, "b s i j d"]:
        area = self.size**2
        channels = x.shape[-1]
        whole = 3 * area * channels * self.features
        middle = self.middle or whole // (area * channels + 3 * self.features)
        x = SpatialConv(middle, self.size, self.stride, self.conv, name="space")(x)
        x = nn.relu(self.norm(name="bn")(x, train=train))
        return self.temporal(self.features, self.frame_stride, name="time")(x)


class VideoBlock(nn.Module):
    """A residual block; its 3x3 convolutions are of space and time."""

    width: int
    stride: int
    bottleneck: bool
    zero_init: bool
    conv: Any
    temporal: Any
    norm: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t h w c"], *, train: bool = False
    ) -> Float[Array, "b s i j d"]:
        spatial = partial(SpatialConv, conv=self.conv)
        both = partial(
            SpaceTimeConv,
            middle=None,
            conv=self.conv,
            temporal=self.temporal,
            norm=self.norm,
        )
        last = self.width * (4 if self.bottleneck else 1)
        sizes = (1, 3, 1) if self.bottleneck else (3, 3)
        strided = 1 if self.bottleneck else 0
        y = x
        for i, size in enumerate(sizes):
            stride = self.stride if i == strided else 1
            width = last if i == len(sizes) - 1 else self.width
            name = f"conv{i + 1}"
            if size == 1:
                y = spatial(width, 1, stride, name=name)(y)
            else:
                y = both(width, 3, stride, stride, name=name)(y, train=train)
            zero = self.zero_init and i == len(sizes) - 1
            scale = nn.initializers.zeros if zero else nn.initializers.ones
            y = self.norm(scale_init=scale, name=f"bn{i + 1}")(y, train=train)
            y = nn.relu(y) if i < len(sizes) - 1 else y
        if self.stride != 1 or x.shape[-1] != last:
            x = spatial(last, 1, self.stride, name="shortcut_conv")(x)
            x = self.norm(name="shortcut_bn")(x, train=train)
        return nn.relu(x + y)


class VideoResNet(nn.Module):
    """The trunk; `output` names what it returns."""

    stages: Sequence[int]
    bottleneck: bool
    base_width: int
    zero_init: bool
    output: Any
    conv: Any
    temporal: Any
    norm: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t h w c"], *, train: bool = False
    ) -> Selected:
        stem = SpaceTimeConv(
            self.base_width,
            7,
            2,
            1,
            max(45 * self.base_width // 64, 1),
            self.conv,
            self.temporal,
            self.norm,
            name="conv1",
        )
        x = nn.relu(self.norm(name="bn1")(stem(x, train=train), train=train))
        outputs = {"stem": x}
        for i, depth in enumerate(self.stages):
            for j in range(depth):
                x = VideoBlock(
                    width=self.base_width * 2**i,
                    stride=2 if i > 0 and j == 0 else 1,
                    bottleneck=self.bottleneck,
                    zero_init=self.zero_init,
                    conv=self.conv,
                    temporal=self.temporal,
                    norm=self.norm,
                    name=f"layer{i + 1}_{j}",
                )(x, train=train)
            outputs[f"layer{i + 1}"] = x
        outputs["map"] = x
        outputs["pooled"] = at_least_float32(x).mean(axis=(1, 2, 3))
        return select(outputs, self.output)


def video_resnet(
    *,
    depth: int = 18,
    width: float | int = 1,
    output: str | Sequence[str] = "pooled",
    zero_init: bool = True,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """A (2+1)-D residual network for clips `[b t h w c]` of any number of channels.

    Every convolution of 3x3x3 is one of 3x3 in space and one of 3 in time, with batch
    norm and ReLU between. The last three stages halve the frames and the sides, the
    stem (7x7 and 3) the sides alone; there is no pool. Sound, as a spectrogram
    `[b time mel 1]`, goes into `resnet`.

    Args:
      depth: 10, 18, 34 (basic blocks) or 50 (bottlenecks).
      width: multiplies all channels; may be a fraction.
      output: "pooled" [b d], "map" [b t h w d], "stem", "layer1" to "layer4"; a
        sequence of names gives a dict.
      zero_init: the last batch-norm scale of each residual branch starts at zero.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU); same parameters.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of clips; pooled features are at least float32 and have 2048 (50) or 512
      channels at width 1.

    Raises:
      ValueError: an unknown depth, output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = video_resnet(depth=18, width=0.125)
      >>> clip = jnp.zeros((2, 4, 16, 16, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), clip)
      >>> jax.eval_shape(net.apply, params, stats, clip)[0].shape
      (2, 64)

    References:
      Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action
      Recognition", 2018, arXiv:1711.11248, section 3.5. Piergiovanni et al., "Evolving
      Losses for Unsupervised Video Representation Learning", 2020, arXiv:2002.12177.

    Note:
      The channels between space and time follow the paper, convolution by convolution;
      torchvision's r2plus1d_18 takes those of the block's first for its second.
    """
    check_choice(_STAGES, depth=depth)
    compute = compute_dtype(dtype)
    module = VideoResNet(
        stages=_STAGES[depth],
        bottleneck=depth >= 50,
        base_width=round(64 * width),
        zero_init=zero_init,
        output=output,
        conv=partial(Conv, impl=conv_impl, dtype=compute),
        temporal=partial(TemporalConv, kernel_init="he_fan_out", dtype=compute),
        norm=partial(BatchNorm, dtype=compute),
    )
    return from_linen(module)
