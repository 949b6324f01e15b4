"""The main job on the bundled sample: pretrain, evaluate, report; a line of results.

python -m experiments.demo --workdir=workdir/demo
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", required=True, help="the folder of the run")
    parser.add_argument("--start", type=float, help="when the clock started, Unix time")
    args = parser.parse_args()
    start = args.start or time.time()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "sslax",
            "pretrain",
            "--config=configs/demo.py",
            f"--workdir={args.workdir}",
        ],
        check=True,
    )
    file = Path(args.workdir) / "evaluation.json"
    results = json.loads(file.read_text())["results"]
    network, pixels = results["network"], results["raw pixels"]
    numbers = {
        "knn": network["knn"],
        "linear": network["linear"],
        "linear_10_per_class": network["linear_10_per_class"],
        "raw_pixels": pixels["knn"],
        "raw_pixels_10_per_class": pixels["linear_10_per_class"],
        "random_network": results["random network"]["knn"],
    }
    line = " ".join(f"{name}={value:.1f}" for name, value in numbers.items())
    print(f"demo: {line} seconds={time.time() - start:.0f}")


if __name__ == "__main__":
    main()
