"""What papers and their codes do, by method and variant, for configs to be held to.

The tables hold what a call comes to, with the defaults that the config leaves alone. A
config without a sheet of its name has no variant of a paper.
"""

import importlib
import pkgutil

NAMES = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "common")
SHEETS = {
    f"{name}:{variant}": sheet
    for name in NAMES
    for variant, sheet in importlib.import_module(f"tests.sheets.{name}").SHEETS.items()
}
