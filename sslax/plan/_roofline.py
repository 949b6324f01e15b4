"""What bounds a step: arithmetic, memory or links; and what follows for its speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sslax.plan._flops import Flops
from sslax.plan._network import collective_seconds
from sslax.plan._topologies import Topology
from sslax.plan._traffic import Collective

__all__ = ["Roofline", "roofline"]


class Roofline(NamedTuple):
    """A step at the speed of light of its chip. Real steps are slower.

    Attributes:
      compute: seconds of its products at the chip's peak, sides padded to its unit.
      memory: seconds of its traffic at the peak of the memory.
      network: seconds of its collectives.
      exposed: the part of them that nothing hides.
      seconds: of the step: the longest of the three and what is exposed.
      bound: what the longest is: "compute", "memory" or "interconnect".
      images: images per second, of all chips.
      mfu: the model's products over what the chips could do in the time, in bfloat16.
    """

    compute: float
    memory: float
    network: float
    exposed: float
    seconds: float
    bound: str
    images: float
    mfu: float


def roofline(
    target: Topology,
    *,
    model: Flops,
    done: Flops,
    traffic: float,
    sent: Sequence[Collective],
    batch_size: int,
) -> Roofline:
    """Predicts a step from what it does.

    Collectives that start and end apart run beside other work and cost nothing until
    they last longer; the others stop the chip. So do the three at their peaks: the
    prediction is the best that the compiled program could reach.

    Args:
      target: chips and links.
      model: operations that the method asks for, all chips together.
      done: operations with what is computed twice and with sides padded to the unit.
      traffic: bytes through the memory of each chip.
      sent: collectives.
      batch_size: images of a step, all chips together.

    Returns:
      The prediction.

    References:
      Williams et al., "Roofline: An Insightful Visual Performance Model for Multicore
      Architectures", 2009.
    """
    chip, count = target.chip, target.count
    compute = sum(
        flops / rate
        for flops, rate in (
            (done.half, chip.half),
            (done.single, chip.single),
            (done.highest, chip.highest),
        )
    )
    compute /= count
    memory = traffic / chip.bandwidth
    hidden = exposed = 0.0
    for one in sent:
        seconds = one.count * collective_seconds(one, target)
        hidden, exposed = (
            (hidden + seconds, exposed) if one.hidden else (hidden, exposed + seconds)
        )
    network = hidden + exposed
    seconds = max(compute, memory, hidden) + exposed
    parts = {"compute": compute, "memory": memory, "interconnect": network}
    return Roofline(
        compute=compute,
        memory=memory,
        network=network,
        exposed=exposed,
        seconds=seconds,
        bound=max(parts, key=lambda name: parts[name]),
        images=batch_size / seconds if seconds else 0.0,
        mfu=model.products / count / chip.half / seconds if seconds else 0.0,
    )
