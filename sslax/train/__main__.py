"""`python -m sslax.train --config=configs/NAME.py --workdir=DIR`."""

from sslax.train.cli import run

if __name__ == "__main__":
    run("pretrain")
