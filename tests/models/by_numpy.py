"""Layers by their formulas, in NumPy and float64."""

import numpy as np


def conv(x, kernel, stride=1, padding=None):
    """A convolution of `[b h w c]`, by loops over the kernel."""
    size = kernel.shape[0]
    edges = (size // 2 if padding is None else padding,) * 2
    x = np.pad(x, ((0, 0), edges, edges, (0, 0)))
    rows, columns = (n - size + 1 for n in x.shape[1:3])
    return sum(
        x[:, i : i + rows : stride, j : j + columns : stride] @ kernel[i, j]
        for i in range(size)
        for j in range(size)
    )


def batch_norm(x, params, stats):
    """With the running statistics."""
    scaled = (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    return scaled * params["scale"] + params["bias"]


def standardised(x, axes):
    """Mean 0 and variance 1 over some axes."""
    x = x - x.mean(axes, keepdims=True)
    return x / np.sqrt((x**2).mean(axes, keepdims=True) + 1e-5)


def relu(x):
    return np.maximum(x, 0)
