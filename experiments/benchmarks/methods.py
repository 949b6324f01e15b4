"""A train step of every method at one set-up, beside lightly's.

    python -m experiments.benchmarks.methods [--methods simclr,dino] [--peer PYTHON]
        [--batch 32] [--repeats 5]

ResNet-18 at 32 px (of CPC's patches, without batch norm); ViT-Ti/16 at 64 px for
transformers; heads, banks and prototypes are those of `configs/NAME.py:sample`. Images
are noise. "other" is the share of a step that is not forward and backward of the
nets: views, the loss, the optimizer, averages; each part is compiled alone (see
`experiments.benchmarks.step`), the step is what training runs.

With --peer, an interpreter that has lightly, torchvision and timm, lightly's step runs
turn by turn with the same nets, on views that are there already: ours makes its own.
A ratio is its time over ours: above 1 ours is faster.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import jax

from experiments.benchmarks.peers import Peers
from experiments.benchmarks.step import Case, compiled_parts, measure, shares_of
from sslax import data, methods, platforms
from sslax.commands.overrides import load_config
from sslax.commands.staged import is_staged

# Those that read other runs or labels, or clips.
ASIDE = ("classifier", "distillation", "evolving")
TRANSFORMERS = ("dino", "mae")
PEERS = ("barlow_twins", "byol", "dino", "mae", "moco", "nnclr", "simclr", "simsiam")
PEERS += ("swav", "vicreg")
RESNET = {"name": "resnet18", "stem": "cifar"}
TINY = {"width": 192, "depth": 12, "heads": 3, "patch_size": 16}
# Without norm, for codes of patches.
PATCHES = {"name": "preact_resnet", "stages": (2, 2, 2, 2), "width": 64}
PATCHES |= {"bottleneck": False, "stem": "small"}
OUTPUTS = {"flat": "pooled"}  # of the samples' network, and of those of the set-up


def case_of(name: str, *, batch: int) -> Case:
    """The sample's recipe with networks and images of the set-up.

    A method with other networks than those of the set-up keeps its own, and its images.
    """
    config = load_config(f"configs/{name}.py:sample", [])
    if is_staged(config):  # what comes last is the method's own
        config = config[[*config][-1]]
    config["batch_size"] = batch
    source = data.source(config["data"]["train"])
    _, side, _, channels = data.shapes(source, batch_size=1)["image"].shape
    sizes = [*_sizes(config["views"])]
    cut = "patch" in config["views"]  # what the networks see are parts of a view
    if name not in TRANSFORMERS and "convnet" not in str(config["method"]):
        side = max(sizes, default=side)
        return Case(name, config, side, batch, channels=channels)
    transformers = name in TRANSFORMERS
    if sizes and not cut:
        side = 64 if transformers else 32
    config["method"] = with_nets(config["method"], transformers=transformers)
    config["views"] = with_size(config["views"], side, transformers=transformers)
    config["normalize"] = config["normalize"] and "imagenet"
    return Case(name, config, side, batch)


def with_nets(spec: Any, *, transformers: bool) -> Any:
    """A method's call with the set-up's encoders in place of its own."""
    if isinstance(spec, (list, tuple)):
        return [with_nets(one, transformers=transformers) for one in spec]
    if not isinstance(spec, Mapping):
        return spec
    if spec.get("name") == "convnet":
        return _encoder(spec, transformers)
    made = {k: with_nets(v, transformers=transformers) for k, v in spec.items()}
    if spec.get("name") == "mae_encoder":
        made |= TINY
    if transformers and "patch_size" in made:
        made["patch_size"] = TINY["patch_size"]
    if "channels" in made:  # of the images that are painted
        made["channels"] = 3
    return made


def _encoder(spec: Mapping[str, Any], transformers: bool) -> dict[str, Any]:
    kept = {k: spec[k] for k in ("bn_groups",) if k in spec}
    if isinstance(spec.get("output"), (list, tuple)):
        kept["output"] = [OUTPUTS.get(one, one) for one in spec["output"]]
    if spec.get("norm") == "none":
        return {**PATCHES, **kept}
    return {"name": "vit", **TINY} if transformers else {**RESNET, **kept}


def with_size(spec: Any, side: int, *, transformers: bool) -> Any:
    """Views whose largest side is this one, with masks of the set-up's patches."""
    factor = side / max(_sizes(spec), default=side)
    if factor == 1 and not transformers:
        return spec
    return _resized(spec, factor, transformers)


def _sizes(spec):
    if isinstance(spec, Mapping):
        if spec.get("name") == "view":
            yield spec["size"]
        for value in spec.values():
            yield from _sizes(value)


def _resized(spec, factor, transformers):
    if not isinstance(spec, Mapping):
        return spec
    made = {k: _resized(v, factor, transformers) for k, v in spec.items()}
    if spec.get("name") == "view":
        # To a multiple of 16: small crops are half as large.
        made["size"] = max(16, round(spec["size"] * factor / 16) * 16)
    if transformers and "patch_size" in made:
        made["patch_size"] = TINY["patch_size"]
    return made


def row(name: str, *, batch: int, repeats: int, peers: Peers | None) -> dict[str, Any]:
    """What was measured of a method."""
    case = case_of(name, batch=batch)
    functions, facts = compiled_parts(case)
    if peers and name in PEERS:
        question = {"config": case.config, "side": case.size, "batch": batch}
        peers.ask(**question, sizes=list(crops(case.config["views"])))
        functions["lightly"] = lambda: peers.ask()
    times = measure(functions, repeats)
    made = {"method": name, "images/s": batch / times["step"]}
    made["other"] = 1 - shares_of(times)["model"]
    made |= {"compile s": facts["compile_s"], "MB": facts["temporary_MB"]}
    if "lightly" in times:
        made["lightly"] = batch / times["lightly"]
        made["ratio"] = times["lightly"] / times["step"]
    return made


def crops(views: Mapping[str, Any]) -> list[int]:
    """The sides of the views of an image, as the peer takes them."""
    if views["name"] == "masked":
        return [views["view"]["size"]]
    large = [views["first"]["size"]] * 2
    if "small" not in views:
        return large
    return large + [views["small"]["size"]] * views["count"]


def shown(made: Mapping[str, Any]) -> str:
    """A row of the table."""
    cells = [made["method"], f"{made['images/s']:.1f}", f"{100 * made['other']:.1f}"]
    cells += [f"{made['compile s']:.1f}", f"{made['MB']:.0f}"]
    if "ratio" in made:
        cells += [f"{made['lightly']:.1f}", f"{made['ratio']:.2f}"]
    else:
        cells += ["-", "-"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="")
    parser.add_argument("--peer", default="")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    platforms.keep_memory()
    names = args.methods.split(",") if args.methods else methods.__all__
    names = [name for name in names if name not in ASIDE]
    peers = None
    if args.peer:
        peers = Peers(args.peer, "experiments.benchmarks.methods_peers")
    device = jax.devices()[0].device_kind
    print(f"{device}, {jax.device_count()} device(s), float32, batch {args.batch}\n")
    print("| method | images/s | other % | compile s | MB | lightly images/s | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows = []
    for name in names:
        options = {"batch": args.batch, "repeats": args.repeats, "peers": peers}
        rows.append(row(name, **options))
        print(shown(rows[-1]), flush=True)
    if peers:
        peers.close()
    worst = max(rows, key=lambda made: made["other"])
    line = f"largest_other_share={worst['other']:.3f} ({worst['method']})"
    ratios = [made["ratio"] for made in rows if "ratio" in made]
    if ratios:
        line += f" smallest_ratio={min(ratios):.2f}"
    print(f"\nmethods: {line}")


if __name__ == "__main__":
    main()
