"""What a chip can do at best, and how chips are joined: one table, with its sources."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CHIPS", "Chip"]

_GIB, _GB = 2**30, 10**9


class Chip(NamedTuple):
    """The numbers of one accelerator.

    Attributes:
      name: as it stands before the colon of a topology.
      kind: "tpu" or "gpu".
      half: peak FLOP/s of matrix products of bfloat16.
      single: the same of float32 at JAX's default precision: one bfloat16 pass on TPU,
        TF32 on GPU.
      highest: the same of float32 at `Precision.HIGHEST`: six passes on TPU, plain
        float32 on GPU.
      tile: side of the unit that multiplies matrices; shorter sides are padded to it.
      memory: bytes of high-bandwidth memory.
      usable: bytes of it that a program may take.
      bandwidth: bytes/s of that memory.
      link: bytes/s one way of one link to another chip; on GPU all of NVLink.
      torus: axes of the torus that the links make, each with a link both ways; 0 is a
        switch.
      ring: sizes of a torus axis, from which on it closes to a ring.
      host: chips of a host of a slice of several; 0 is as the topology says.
      network: bytes/s one way per chip over the network between hosts (GPU) or slices
        (TPU).
      hop: seconds that a message takes to a neighbour.
      source: where the numbers stand.
    """

    name: str
    kind: str
    half: float
    single: float
    highest: float
    tile: int
    memory: int
    usable: int
    bandwidth: float
    link: float
    torus: int
    ring: int
    host: int
    network: float
    hop: float
    source: str


def _tpu(name: str, peak: float, **numbers) -> Chip:
    return Chip(
        name=name,
        kind="tpu",
        half=peak,
        single=peak,
        highest=peak / 6,
        host=4,
        hop=1e-6,  # as in "How to Scale Your Model", Google DeepMind, 2025, part 2
        **numbers,
    )


_CLOUD = "Google Cloud documentation, system architecture of TPU "

CHIPS = {
    # 2400 Gbit/s over 6 links; 2 x 100 Gbit/s a host of 4 chips.
    "v4": _tpu(
        "v4",
        275e12,
        tile=128,
        memory=32 * _GIB,
        usable=int(31.75 * _GIB),
        bandwidth=1200e9,
        link=50e9,
        torus=3,
        ring=4,
        network=6.25e9,
        source=_CLOUD + "v4; Jouppi et al., 2023, arXiv:2304.01433, table 4",
    ),
    # 1600 Gbit/s over 4 links; 6.4 Tbit/s a pod of 256 chips.
    "v5e": _tpu(
        "v5e",
        197e12,
        tile=128,
        memory=16 * _GIB,
        usable=int(15.75 * _GIB),
        bandwidth=819e9,
        link=50e9,
        torus=2,
        ring=16,
        network=3.125e9,
        source=_CLOUD + "v5e",
    ),
    # 4800 Gbit/s over 6 links; 50 Gbit/s a chip.
    "v5p": _tpu(
        "v5p",
        459e12,
        tile=128,
        memory=95 * _GIB,
        usable=int(94.75 * _GIB),
        bandwidth=2765e9,
        link=100e9,
        torus=3,
        ring=4,
        network=6.25e9,
        source=_CLOUD + "v5p",
    ),
    # 3200 Gbit/s over 4 links; 25.6 Tbit/s a pod of 256 chips.
    "v6e": _tpu(
        "v6e",
        918e12,
        tile=256,
        memory=32 * _GIB,
        usable=int(31.25 * _GIB),
        bandwidth=1600e9,
        link=100e9,
        torus=2,
        ring=16,
        network=12.5e9,
        source=_CLOUD + "v6e",
    ),
    # Dense rates, half of those with sparsity; NVLink 900 GB/s both ways; an adapter of
    # 400 Gbit/s for each GPU. A tenth of the memory is left to the driver.
    "h100": Chip(
        name="h100",
        kind="gpu",
        half=989.4e12,
        single=494.7e12,
        highest=66.9e12,
        tile=16,
        memory=80 * _GB,
        usable=72 * _GB,
        bandwidth=3350e9,
        link=450e9,
        torus=0,
        ring=0,
        host=0,
        network=50e9,
        hop=2e-6,
        source="NVIDIA H100 SXM5 data sheet and DGX H100 user guide, 2023",
    ),
}
