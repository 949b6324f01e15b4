"""Stored names of layers in torch, and where they stand in trees of ours."""

from __future__ import annotations

import jax

_STATISTICS = {"running_mean": "mean", "running_var": "var"}


class Names:
    """Maps {their layer: "group/our layer"}, in both directions."""

    def __init__(self, layers):
        self._layers = layers

    def _place(self, name, rank):
        """Whether it is a parameter, and its path."""
        layer, _, leaf = name.rpartition(".")
        if layer not in self._layers:
            raise ValueError(f"{name!r} has no place here; known are {[*self._layers]}")
        group, *path = self._layers[layer].split("/")
        if leaf in _STATISTICS:
            return False, (group, "batch_stats", *path, _STATISTICS[leaf])
        if leaf == "weight":
            leaf = "scale" if rank == 1 else "kernel"
        return True, (group, *path, leaf)

    def read(self, arrays, params, stats):
        """(params, stats) with the arrays in their places; every parameter has one."""
        trees = {True: _flat(params), False: _flat(stats)}
        missing = set(trees[True])
        for name, value in arrays.items():
            where, path = self._place(name, value.ndim)
            value = _to_ours(value)
            if path not in trees[where] or trees[where][path].shape != value.shape:
                raise ValueError(f"{name!r} of shape {value.shape} does not fit {path}")
            trees[where][path] = value
            missing.discard(path)
        if missing:
            raise ValueError(f"nothing in the case is {sorted(missing)}")
        return _like(params, trees[True]), _like(stats, trees[False])

    def write(self, params, stats, like):
        """{name: array} for the names and ranks of `like`."""
        trees = {True: _flat(params), False: _flat(stats)}
        out = {}
        for name, value in like.items():
            where, path = self._place(name, value.ndim)
            if path in trees[where]:
                out[name] = _to_torch(trees[where][path])
        return out


def _to_ours(x):
    return {2: lambda: x.T, 4: lambda: x.transpose(2, 3, 1, 0)}.get(x.ndim, lambda: x)()


def _to_torch(x):
    return {2: lambda: x.T, 4: lambda: x.transpose(3, 2, 0, 1)}.get(x.ndim, lambda: x)()


def _flat(tree):
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {tuple(k.key for k in path): leaf for path, leaf in leaves}


def _like(tree, flat):
    return jax.tree_util.tree_map_with_path(
        lambda path, _: flat[tuple(k.key for k in path)], tree
    )


def prefixed(arrays, start):
    """Names with something before them."""
    return {f"{start}{name}": value for name, value in arrays.items()}
