"""Plans of training runs: compiled for chips that are not here, and predicted."""

from sslax.plan._chips import CHIPS, Chip
from sslax.plan._flops import Flops, count_flops
from sslax.plan._hlo import read_hlo
from sslax.plan._input import Reading, reading
from sslax.plan._movers import Mover, movers, senders
from sslax.plan._network import collective_seconds
from sslax.plan._options import with_layout
from sslax.plan._plan import Plan, make_plan, plan_scaling, search
from sslax.plan._report import plan_values, scaling_screen, screen, search_screen
from sslax.plan._roofline import Roofline, roofline
from sslax.plan._topologies import Topology, topology
from sslax.plan._traffic import Collective, collectives, memory_traffic

__all__ = [
    "CHIPS",
    "Chip",
    "Collective",
    "Flops",
    "Mover",
    "Plan",
    "Reading",
    "Roofline",
    "Topology",
    "collective_seconds",
    "collectives",
    "count_flops",
    "make_plan",
    "memory_traffic",
    "movers",
    "plan_scaling",
    "plan_values",
    "read_hlo",
    "reading",
    "roofline",
    "scaling_screen",
    "screen",
    "search",
    "search_screen",
    "senders",
    "topology",
    "with_layout",
]
