"""Parameters drawn by NumPy: nothing to compile, and nothing trivially 0 or 1."""

import jax
import jax.numpy as jnp
import numpy as np


def drawn(net, *inputs, seed=0):
    """(params, stats) of a net: small normals; variances positive."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)

    def draw(path, leaf):
        name = path[-1].key
        value = 0.2 * rng.normal(size=leaf.shape)
        if name == "kernel":
            value /= 0.2 * np.sqrt(np.prod(leaf.shape[:-1]))
        offset = {"scale": 1.0, "ls1": 1.0, "ls2": 1.0}.get(name, 0.0)
        value = np.abs(value) + 0.5 if name == "var" else value + offset
        return jnp.asarray(value, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)
