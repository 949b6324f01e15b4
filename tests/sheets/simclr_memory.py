"""The sheet of simclr_memory."""

from tests.sheets.simclr import V2

MEMORY = {"queue_size": 65536, "momentum": 0.999}
SHEETS = {"imagenet": {**V2, "method": {**V2["method"], **MEMORY}}}
