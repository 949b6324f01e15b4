"""What the arrays of discrete VAEs are called in PyTorch."""

from __future__ import annotations

from sslax.convert._names import CONV, SAME, Table, Transform

__all__ = ["dalle", "dvae_decoder", "dvae_encoder"]

# Of a transposed convolution: [in out k k] there, [k k in out] here.
_TRANSPOSED = Transform(
    lambda x: x.transpose(2, 3, 0, 1), lambda x: x.transpose(2, 3, 0, 1)
)


def dalle(options, source, sizes, arrays):
    """DALL-E's names, of the encoder and of the decoder alike."""
    del options, source, sizes, arrays
    block = "group{i}_{j}", "blocks.group_{i}.block_{j}"
    layers = (
        ("input", "blocks.input"),
        (f"{block[0]}/identity", f"{block[1]}.id_path"),
        (f"{block[0]}/conv{{k}}", f"{block[1]}.res_path.conv_{{k}}"),
        ("output", "blocks.output.conv"),
    )
    return Table(
        layers=(),
        arrays=tuple(
            (f"{ours}/{leaf}", f"{theirs}.{name}", change)
            for ours, theirs in layers
            for leaf, name, change in (("kernel", "w", CONV), ("bias", "b", SAME))
        ),
    )


def dvae_encoder(options, source, sizes, arrays):
    """The names of the small form in BEiT's code."""
    del source, sizes, arrays
    return Table(
        layers=_layers("encoder", "conv", options["depth"], CONV),
        left_out=(r"(codebook|decoder)\..*",),
    )


def dvae_decoder(options, source, sizes, arrays):
    """The names of the small form in BEiT's code."""
    del source, sizes, arrays
    return Table(
        layers=_layers("decoder", "up", options["depth"], _TRANSPOSED),
        arrays=(("codebook/kernel", "codebook.weight", SAME),),
        left_out=(r"encoder\..*",),
    )


def _layers(part, name, depth, change):
    """A strided layer, then a block, and so on; layers of a block count with ReLUs."""
    found = [("output", f"{part}.{2 * depth}")]
    for i in range(depth):
        found.append((f"{name}{i + 1}", f"{part}.{2 * i}.0", change))
        found += [
            (f"block{i + 1}/conv{j + 1}", f"{part}.{2 * i + 1}.net.{2 * j}")
            for j in range(3)
        ]
    return tuple(found)
