"""`sslax demo`, whose clock may have started before: `make demo` sets up first.

python -m experiments.demo --workdir=workdir/demo --start=1700000000
"""

import sys

from sslax.commands.main import main

if __name__ == "__main__":
    sys.argv.insert(1, "demo")
    main()
