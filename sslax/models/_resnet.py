"""Residual networks, version 1, and their variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm, Order
from sslax.models._layers import Conv, max_pool
from sslax.models._nets import Selected, compute_dtype, from_linen, named, select
from sslax.models._resnet_block import Block

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


_MAX = partial(max_pool, size=3, stride=2, padding=1)
_POOLS = {
    "imagenet": _MAX,
    "cifar": lambda x: x,
    "deep": _MAX,
    # Of `clip_resnet` alone, as strides by "pool": a basic block has no place for them.
    "deep_mean": partial(nn.avg_pool, window_shape=(2, 2), strides=(2, 2)),
}


class ResNet(nn.Module):
    """The trunk; `output` names what it returns."""

    stages: Sequence[int]
    bottleneck: bool
    base_width: int
    stem: str
    zero_init: bool
    stride_on: str
    shortcut: str
    selective: float | int | None
    output: Any
    conv: Any
    norm: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False, order: Order = None
    ) -> Selected:
        return select(self.run(x, train, order), self.output)

    def run(self, x, train, order):
        """Every output by its name."""
        for i, (width, size, stride) in enumerate(self._stem(), start=1):
            x = self.conv(width, size, stride, name=f"conv{i}")(x)
            x = nn.relu(self.norm(name=f"bn{i}")(x, train=train, order=order))
        x = _POOLS[self.stem](x)
        outputs = {"stem": x}
        for i, depth in enumerate(self.stages):
            for j in range(depth):
                x = Block(
                    width=self.base_width * 2**i,
                    stride=2 if i > 0 and j == 0 else 1,
                    bottleneck=self.bottleneck,
                    zero_init=self.zero_init,
                    stride_on=self.stride_on,
                    shortcut=self.shortcut,
                    selective=self.selective,
                    conv=self.conv,
                    norm=self.norm,
                    name=f"layer{i + 1}_{j}",
                )(x, train=train, order=order)
            outputs[f"layer{i + 1}"] = x
        outputs["map"] = x
        outputs["pooled"] = at_least_float32(x).mean(axis=(1, 2))
        return outputs

    def _stem(self):
        """Width, size and stride of each convolution before the stages."""
        width = self.base_width
        deep = [(width // 2, 3, 2), (width // 2, 3, 1), (width, 3, 1)]
        return {
            "imagenet": [(width, 7, 2)],
            "cifar": [(width, 3, 1)],
            "deep": deep,
            "deep_mean": deep,
        }[self.stem]


def resnet(
    *,
    depth: int = 50,
    stem: str = "imagenet",
    width: float | int = 1,
    stride_on: str = "3x3",
    shortcut: str = "conv",
    selective: float | int | None = None,
    output: str | Sequence[str] = "pooled",
    zero_init: bool = True,
    conv_init: str = "he_fan_out",
    bn_groups: int = 1,
    bn_momentum: float | int = 0.9,
    bn_eps: float | int = 1e-5,
    bn_unbiased: bool = True,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """A residual network for images `[b h w c]`.

    Torch's explicit padding, no biases in convolutions. Under jit, batch norm sees the
    global batch. The networks of the literature are choices of these arguments:

    - torchvision, most methods: the defaults (stride on the 3x3, "version 1.5").
    - He et al.: `stride_on="1x1"`.
    - ResNet-D: `stem="deep", shortcut="pool"`.
    - SimCLR v2 with selective kernels: `stem="deep", shortcut="pool_always",
      selective=0.0625`, width 1 to 3.

    Args:
      depth: 18, 34 (basic blocks), 50, 101, 152 or 200 (bottlenecks).
      stem: "imagenet" (7x7 stride 2, max pool 3x3 stride 2), "deep" (three 3x3 in place
        of the 7x7) or "cifar" (3x3 stride 1, no pool; for images of 28 to 64 pixels).
      width: multiplies all channels; may be a fraction (0.25 for a demo).
      stride_on: the convolution of a bottleneck that has the stride, "3x3" or "1x1".
      shortcut: a strided 1x1 convolution, "conv"; an average of 2x2 and a 1x1
        convolution where the stride is 2, "pool"; or the same in the first block of
        every stage, "pool_always".
      selective: None, or two 3x3 streams in each bottleneck that are weighed through a
        layer of this share of the width, and of at least 32 channels.
      output: "pooled" [b d], "map" [b h w d], "stem", "layer1" to "layer4"; a sequence
        of names gives a dict.
      zero_init: the last batch-norm scale of each residual branch starts at zero.
      conv_init: "he_fan_out" (normal, as torchvision) or "lecun" (truncated normal,
        fan in, as SimCLR and BYOL).
      bn_groups: batch norm over so many contiguous groups of the batch.
      bn_momentum: weight of the old running statistics.
      bn_eps: epsilon of batch norm.
      bn_unbiased: the running variance is the unbiased one of the batch, as torch keeps
        it (MoCo, SimSiam, Barlow Twins and most others); False is the batch's own, as
        Keras and Haiku do in SimCLR (both versions) and BYOL. It shows in evaluation
        only.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU); same parameters.
      dtype: dtype of computation, as "bfloat16"; None follows inputs and parameters.

    Returns:
      A net of images; pooled features are at least float32 and have 512 (18, 34) or
      2048 channels at width 1.

    Raises:
      ValueError: an unknown depth, stem, stride_on, shortcut, output or dtype;
        selective kernels without bottlenecks.

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
      arXiv:1706.02677, section 5.1 (zero scale). He et al., "Bag of Tricks for Image
      Classification with Convolutional Neural Networks", 2019, arXiv:1812.01187,
      section 4.2 (ResNet-D). Li et al., "Selective Kernel Networks", 2019,
      arXiv:1903.06586, and Chen et al., "Big Self-Supervised Models are Strong
      Semi-Supervised Learners", 2020, arXiv:2006.10029, section 2 (two equal streams).

    Note:
      SimCLR's TensorFlow code pads its max pool at one side only; here it is symmetric.
    """
    check_choice(_STAGES, depth=depth)
    check_choice(("imagenet", "deep", "cifar"), stem=stem)
    check_choice(("3x3", "1x1"), stride_on=stride_on)
    check_choice(("conv", "pool", "pool_always"), shortcut=shortcut)
    if selective is not None and depth < 50:
        raise ValueError(
            f"selective kernels stand in bottlenecks, from depth 50; depth is {depth}"
        )
    compute = compute_dtype(dtype)
    module = ResNet(
        stages=_STAGES[depth],
        bottleneck=depth >= 50,
        base_width=round(64 * width),
        stem=stem,
        zero_init=zero_init,
        stride_on=stride_on,
        shortcut=shortcut,
        selective=selective,
        output=output,
        conv=partial(Conv, kernel_init=conv_init, impl=conv_impl, dtype=compute),
        norm=partial(
            BatchNorm,
            groups=bn_groups,
            momentum=bn_momentum,
            epsilon=bn_eps,
            unbiased=bn_unbiased,
            dtype=compute,
        ),
    )
    return from_linen(module)


def _sized(depth: int) -> Callable[..., Net]:
    def build(**options: Any) -> Net:
        return resnet(depth=depth, **options)

    build.__name__ = build.__qualname__ = f"resnet{depth}"
    build.__doc__ = f"""ResNet-{depth}: `resnet(depth={depth}, ...)`.

    Returns:
      A net of images `[b h w c]`.

    Example:
      >>> net = resnet{depth}(stem="cifar", width=0.25)

    References:
      He et al., "Deep Residual Learning for Image Recognition", 2016,
      arXiv:1512.03385, table 1.
    """
    return build


resnet18 = named(_sized(18), resnet, depth=18)
resnet34 = named(_sized(34), resnet, depth=34)
resnet50 = named(_sized(50), resnet, depth=50)
resnet101 = named(_sized(101), resnet, depth=101)
resnet152 = named(_sized(152), resnet, depth=152)
resnet200 = named(_sized(200), resnet, depth=200)
