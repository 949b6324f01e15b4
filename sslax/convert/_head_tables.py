"""What the arrays of projectors and prototype heads are called in PyTorch."""

from __future__ import annotations

import numpy as np

from sslax.convert._names import BUFFERS, MATRIX, Table


def _sequential(options, *, layer, norm):
    """The places of linear and norm layers among those of `nn.Sequential`."""
    stride = 3 if options["norm"] else 2
    places = range(1, options["depth"] + 1)
    return (
        *((f"linear{i}", layer.format(stride * (i - 1))) for i in places),
        *((f"bn{i}", norm.format(stride * (i - 1) + 1)) for i in places),
    )


def mlp(options, source, sizes, arrays):
    del source, sizes, arrays
    single = options["depth"] == 1 and not options["last_norm"]
    layers = _sequential(options, layer="{}", norm="{}")
    return Table(layers=(("linear1", ""),) if single else layers, left_out=BUFFERS)


def dino_head(options, source, sizes, arrays):
    del source, sizes
    patches = "last_layer2"
    return Table(
        layers=_sequential(options, layer="mlp.{}", norm="mlp.{}"),
        arrays=(
            ("prototypes/kernel", "last_layer.weight_v", MATRIX),
            ("prototypes/gain", "last_layer.weight_g", MATRIX),
            ("patch_prototypes/kernel", f"{patches}.weight_v", MATRIX),
            ("patch_prototypes/gain", f"{patches}.weight_g", MATRIX),
        ),
        # Without a learned length, theirs are all one.
        fixed={} if options["with_gain"] else _unit_lengths(arrays),
        left_out=BUFFERS,
    )


def _unit_lengths(arrays):
    names = {"prototypes": "last_layer", "patch_prototypes": "last_layer2"}
    return {
        f"{theirs}.weight_g": np.ones(
            (arrays[f"{ours}/kernel"].shape[1], 1), np.float32
        )
        for ours, theirs in names.items()
        if f"{ours}/kernel" in arrays
    }
