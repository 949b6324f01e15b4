"""Residual networks, v1, with the stride on the 3x3 convolution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn

from sslax.core import Net
from sslax.models._layers import BatchNorm, Conv, at_least_float32, max_pool
from sslax.models._nets import compute_dtype, from_linen, select

__all__ = [
    "resnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet200",
]

_STAGES = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


class _Block(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of 1x1, 3x3, 1x1."""

    width: int
    stride: int
    bottleneck: bool
    zero_init: bool
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x, *, train=False):
        last = self.width * (4 if self.bottleneck else 1)
        shapes = [(self.width, 3, self.stride), (self.width, 3, 1)]
        if self.bottleneck:
            shapes = [(self.width, 1, 1), (self.width, 3, self.stride), (last, 1, 1)]
        y = x
        for i, (width, size, stride) in enumerate(shapes, start=1):
            zero = self.zero_init and i == len(shapes)
            scale = nn.initializers.zeros if zero else nn.initializers.ones
            y = self.conv(width, size, stride, name=f"conv{i}")(y)
            y = self.norm(scale_init=scale, name=f"bn{i}")(y, train=train)
            y = nn.relu(y) if i < len(shapes) else y
        if self.stride != 1 or x.shape[-1] != last:
            x = self.conv(last, 1, self.stride, name="shortcut_conv")(x)
            x = self.norm(name="shortcut_bn")(x, train=train)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """The trunk; `output` names what it returns."""

    stages: Sequence[int]
    bottleneck: bool
    base_width: int
    stem: str
    zero_init: bool
    output: Any
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x, *, train=False):
        imagenet = self.stem == "imagenet"
        size, stride = (7, 2) if imagenet else (3, 1)
        x = self.conv(self.base_width, size, stride, name="conv1")(x)
        x = nn.relu(self.norm(name="bn1")(x, train=train))
        x = max_pool(x, size=3, stride=2, padding=1) if imagenet else x
        outputs = {"stem": x}
        for i, depth in enumerate(self.stages):
            for j in range(depth):
                x = _Block(
                    width=self.base_width * 2**i,
                    stride=2 if i > 0 and j == 0 else 1,
                    bottleneck=self.bottleneck,
                    zero_init=self.zero_init,
                    conv=self.conv,
                    norm=self.norm,
                    name=f"layer{i + 1}_{j}",
                )(x, train=train)
            outputs[f"layer{i + 1}"] = x
        outputs["map"] = x
        outputs["pooled"] = at_least_float32(x).mean(axis=(1, 2))
        return select(outputs, self.output)


def resnet(
    *,
    depth: int,
    stem: str = "imagenet",
    width: float | int = 1,
    output: str | Sequence[str] = "pooled",
    zero_init: bool = True,
    conv_init: str = "he_fan_out",
    bn_groups: int = 1,
    bn_momentum: float | int = 0.9,
    bn_eps: float | int = 1e-5,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """A residual network for images `[b h w c]`.

    Version 1 with the stride on the 3x3 convolution of a bottleneck, torch's explicit
    padding, no biases in convolutions. Under jit, batch norm sees the global batch.

    Args:
      depth: 18, 34 (basic blocks), 50, 101, 152 or 200 (bottlenecks).
      stem: "imagenet" (7x7 stride 2, max pool 3x3 stride 2) or "cifar" (3x3 stride 1,
        no pool; for images of 28 to 64 pixels).
      width: multiplies all channels; may be a fraction (0.25 for a demo).
      output: "pooled" [b d], "map" [b h w d], "stem", "layer1" to "layer4"; a sequence
        of names gives a dict.
      zero_init: the last batch-norm scale of each residual branch starts at zero.
      conv_init: "he_fan_out" (normal, as torchvision) or "lecun" (truncated normal,
        fan in, as SimCLR and BYOL).
      bn_groups: batch norm over so many contiguous groups of the batch.
      bn_momentum: weight of the old running statistics.
      bn_eps: epsilon of batch norm.
      conv_impl: "lax", "matmul" or "auto" (matmul on CPU); same parameters.
      dtype: dtype of computation, as "bfloat16"; None follows inputs and parameters.

    Returns:
      A net of images; pooled features are at least float32 and have 512 (18, 34) or
      2048 channels at width 1.

    Raises:
      ValueError: an unknown depth, stem, output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = resnet(depth=18, stem="cifar", width=0.125)
      >>> image = jnp.zeros((2, 32, 32, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 64)

    References:
      He et al., "Deep Residual Learning for Image Recognition", 2016,
      arXiv:1512.03385. Goyal et al., "Accurate, Large Minibatch SGD", 2017,
      arXiv:1706.02677, section 5.1 (zero scale).

    Note:
      Running variances are unbiased, as torch stores them; Flax's own are biased.
      SimCLR's TensorFlow code pads its max pool at one side only; here it is symmetric.
    """
    if depth not in _STAGES:
        raise ValueError(f"depth is {depth}; expected one of {list(_STAGES)}")
    if stem not in ("imagenet", "cifar"):
        raise ValueError(f"stem is {stem!r}; expected 'imagenet' or 'cifar'")
    compute = compute_dtype(dtype)
    module = ResNet(
        stages=_STAGES[depth],
        bottleneck=depth >= 50,
        base_width=round(64 * width),
        stem=stem,
        zero_init=zero_init,
        output=output,
        conv=partial(Conv, kernel_init=conv_init, impl=conv_impl, dtype=compute),
        norm=partial(
            BatchNorm,
            groups=bn_groups,
            momentum=bn_momentum,
            epsilon=bn_eps,
            dtype=compute,
        ),
    )
    return from_linen(module)


def _named(depth):
    def build(**options: Any) -> Net:
        return resnet(depth=depth, **options)

    build.__name__ = build.__qualname__ = f"resnet{depth}"
    build.__doc__ = f"""ResNet-{depth}: `resnet(depth={depth}, ...)`.

    Args:
      **options: as in `resnet`.

    Returns:
      A net of images `[b h w c]`.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = resnet{depth}(stem="cifar", width=0.25)
      >>> shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.ones((1, 8, 8, 3)))

    References:
      He et al., "Deep Residual Learning for Image Recognition", 2016,
      arXiv:1512.03385, table 1.
    """
    return build


resnet18 = _named(18)
resnet34 = _named(34)
resnet50 = _named(50)
resnet101 = _named(101)
resnet152 = _named(152)
resnet200 = _named(200)
