"""The table of predictions in docs/pods.md: recipes compiled for chips not here.

    python -m experiments.pods                   # what is not stored yet
    python -m experiments.pods --only dino,mae --topologies v5e:16x16
    python -m experiments.pods --table           # draw the stored rows again

Each row is `sslax plan` of a recipe at its full size; `--config` and what is changed
stand in `ROWS`. It takes one to three minutes of a core and the extras `plan` and
`plan-gpu`. Rows are added to experiments/results/pods.json as they come, and one that
is there is not compiled again: give --anew for that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "pods.json"
TOPOLOGIES = ("v5e:16x16", "h100:4x8")
# At their own batches of 64 to 256 a chip of 256 would have an image or none.
LARGE = ("batch_size=4096",)
# Title, recipe, changes of its fields.
ROWS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Barlow Twins, ResNet-50", "barlow_twins:imagenet", ()),
    ("BEiT, B", "beit:base/beit", ()),
    ("BEiT, L", "beit:large/beit", ()),
    ("BYOL, ResNet-50", "byol:imagenet", ()),
    ("CLIP, ResNet-50", "clip:resnet50", ()),
    ("CLIP, ViT-B/32", "clip:base32", ()),
    ("CMC, two ResNet-50 of half width", "cmc:imagenet", LARGE),
    ("Colorization", "colorization:imagenet", LARGE),
    ("Context prediction", "context_prediction:imagenet", LARGE),
    ("ConvMAE, B", "convmae:base", ()),
    ("Counting", "counting:imagenet", LARGE),
    ("CPC, ResNet-v2-101", "cpc:imagenet", ()),
    ("CPC v2, ResNet-161", "cpc_v2:imagenet", ()),
    ("DeepMIM-CLIP, ViT-B", "deepmim:clip", ()),
    ("DeepMIM, ViT-B", "deepmim:base", ()),
    ("DINO, ResNet-50", "dino:resnet50", ()),
    ("DINO, ViT-S/16", "dino:imagenet", ()),
    ("Exemplar-CNN", "exemplar:large", LARGE),
    ("FlatNCE, ResNet-50", "flatnce:imagenet", ()),
    ("iBOT, ViT-B", "ibot:base", ()),
    ("iBOT, ViT-L", "ibot:large", ()),
    ("InstDisc, ResNet-50", "instdisc:imagenet", LARGE),
    ("Jigsaw, context-free network", "jigsaw:imagenet", LARGE),
    ("Jigsaw clustering, ResNet-50", "jigsaw_clustering:imagenet", LARGE),
    ("LocalMIM, Swin-L", "localmim:swin_large", ()),
    ("LocalMIM, ViT-B", "localmim:vit_base", ()),
    ("MAE, ViT-B", "mae:base", ()),
    ("MAE, ViT-L", "mae:large", ()),
    ("MAE, ViT-H", "mae:huge", ()),
    ("MoCo v2, ResNet-50", "moco:imagenet", (*LARGE, "method.encoder.bn_groups=128")),
    ("MoCo v2 with backgrounds", "moco_backgrounds:imagenet", LARGE),
    ("MoCo v3, ResNet-50", "moco_v3:resnet50", ()),
    ("MoCo v3, ViT-B", "moco_v3:base", ()),
    ("NCE, ResNet-50", "nce:imagenet", ()),
    ("NNCLR, ResNet-50", "nnclr:imagenet", ()),
    ("PixContrast, ResNet-50", "pixcontrast:imagenet", ()),
    ("PixPro, ResNet-50", "pixpro:imagenet", ()),
    ("Rotation, ResNet-50", "rotation:imagenet", LARGE),
    ("SigLIP, B/16", "siglip:base16", ()),
    ("SimCLR, ResNet-50", "simclr:imagenet", ()),
    ("SimCLR v2, ResNet-50", "simclr:v2", ()),
    ("SimCLR with a memory", "simclr_memory:imagenet", ()),
    ("SimMIM, Swin-B", "simmim:swin_base", ()),
    ("SimMIM, Swin-L", "simmim:swin_large", ()),
    ("SimSiam, ResNet-50", "simsiam:imagenet", ()),
    ("SwAV, ResNet-50", "swav:imagenet", ()),
    ("VICReg, ResNet-50", "vicreg:imagenet", ()),
)
HEAD = ("recipe", "on", "batch", "dtype", "GiB a chip", "GFLOPs an image")
HEAD += ("compute ms", "memory ms", "links ms", "step ms", "images/s", "MFU")


def command(recipe: str, topology: str, changes: Sequence[str]) -> list[str]:
    """The words of `sslax plan` of a row."""
    recipe, _, stage = recipe.partition("/")
    words = ["plan", f"--config={recipe}", f"--topology={topology}"]
    words += [f"--stage={stage}"] if stage else []
    return words + [f"--config.{change}" for change in changes]


def planned(words: Sequence[str]) -> dict[str, Any]:
    """What `sslax plan` finds, in a process of its own: compilers keep memory.

    What a compiler says of a recipe that does not compile is in "cause".
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        done = subprocess.run(
            [sys.executable, "-m", "sslax", *words, f"--json={file}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if file.exists():
            return json.loads(file.read_text())
    raise RuntimeError(f"sslax {' '.join(words)}\n{done.stderr[-2000:]}")


def draw(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table in Markdown.

    Args:
      rows: stored, each with "title" and "plan", what `sslax plan --json` wrote.

    Returns:
      The lines, in the order of `ROWS`, and of TOPOLOGIES in them.
    """
    order = {title: place for place, (title, _, _) in enumerate(ROWS)}
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    kept = [row for row in rows if row["title"] in order]
    places = {one: place for place, one in enumerate(TOPOLOGIES)}
    kept.sort(key=lambda r: (order[r["title"]], places.get(r["plan"]["topology"], 9)))
    return "\n".join(lines + [_line(row) for row in kept])


def _line(row: Mapping[str, Any]) -> str:
    plan = row["plan"]
    cells = [row["title"], plan["topology"], f"{plan['batch_size']:,}", plan["dtype"]]
    if not plan["prediction"]:
        return "| " + " | ".join([*cells, "does not compile", *"-------"]) + " |"
    memory, speed = plan["memory"], plan["prediction"]
    cells.append(f"{memory['needed'] / 2**30:.1f} of {memory['usable'] / 2**30:.1f}")
    cells[-1] += "" if plan["fits"] else ", does not fit"
    work = sum(plan["flops"]["model"][kind] for kind in ("half", "single", "highest"))
    work /= plan["batch_size"] * 1e9
    cells.append(f"{work:.0f}" if work >= 10 else f"{work:.1f}")
    for name in ("compute", "memory", "exposed", "seconds"):
        cells.append(f"{1e3 * speed[name]:.1f}")
    images = float(f"{speed['images']:.3g}")
    cells += [f"{images:,.0f}", f"{speed['mfu']:.0%}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="recipes, by name")
    parser.add_argument("--topologies", default=",".join(TOPOLOGIES))
    parser.add_argument("--anew", action="store_true", help="also what is stored")
    parser.add_argument("--table", action="store_true", help="draw the stored rows")
    args = parser.parse_args()
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = {(row["title"], row["plan"]["topology"]): row for row in stored}
    names = args.only.split(",") if args.only else None
    for topology in () if args.table else args.topologies.split(","):
        for title, recipe, changes in ROWS:
            if names and recipe.partition(":")[0] not in names:
                continue
            if (title, topology) in rows and not args.anew:
                continue
            words = command(recipe, topology, changes)
            print("sslax", *words, flush=True)
            try:
                plan = planned(words)
            except RuntimeError as error:  # the others are planned all the same
                print(error, file=sys.stderr)
                continue
            made = {"title": title, "command": " ".join(["sslax", *words])}
            rows[title, topology] = {**made, "plan": plan}
            RESULTS.write_text(json.dumps([*rows.values()], indent=1) + "\n")
    print(draw(rows.values()))


if __name__ == "__main__":
    main()
