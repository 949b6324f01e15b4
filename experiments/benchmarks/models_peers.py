"""The backbones of the model benchmark in PyTorch.

Answers questions on standard input, one JSON object a line: `{"case": c}` prepares a
case and gives the seconds of the first run of each form (of which compiling is most),
`{"case": c, "name": n}` runs a form and gives its seconds.
"""

from __future__ import annotations

import functools
import sys
import time

from experiments.benchmarks.augment_peers import import_torchvision
from experiments.benchmarks.models import CASES, pixels, timed
from experiments.benchmarks.peers import serve


def network(case: str):
    import timm
    import torch
    import torchvision

    if case == "resnet18":
        net = torchvision.models.resnet18()
        net.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = torch.nn.Identity()
    elif case == "resnet50":
        net = torchvision.models.resnet50()
    else:
        sizes = {"vit_ti": (192, 3), "vit_ti16": (192, 3), "vit_s": (384, 6)}
        width, heads = sizes[case]
        net = timm.models.vision_transformer.VisionTransformer(
            img_size=CASES[case].side,
            patch_size=CASES[case].options["patch_size"],
            embed_dim=width,
            depth=12,
            num_heads=heads,
            num_classes=0,
            dynamic_img_size=case == "vit_ti16",  # small crops as well
        )
    if hasattr(net, "fc"):
        net.fc = torch.nn.Identity()
    return net.train()


@functools.cache
def prepared(case: str):
    """Functions by form, and the seconds of their first run."""
    import_torchvision()
    import torch

    images = torch.from_numpy(pixels(CASES[case])).permute(0, 3, 1, 2)
    # Convolutions are fastest there with channels last.
    layout = torch.channels_last if "resnet" in case else torch.contiguous_format
    images = images.contiguous(memory_format=layout)
    runs, first = {}, {}
    for name in ("eager", "compiled"):
        net = network(case).to(memory_format=layout)
        call = torch.compile(net) if name == "compiled" else net

        def run(net=net, call=call):
            net.zero_grad(set_to_none=True)
            call(images).square().mean().backward()

        try:
            first[name] = timed(run)
        except Exception as error:  # a form that this machine cannot build
            print(f"{case} {name} is left out: {error!r:.200}", file=sys.stderr)
            continue
        runs[name] = run
    return runs, first


def answer(question: dict):
    """The seconds of the first run of each form, or of one run of a form."""
    runs, first = prepared(question["case"])
    if "name" not in question:
        return first
    start = time.perf_counter()
    runs[question["name"]]()
    return time.perf_counter() - start


if __name__ == "__main__":
    serve(answer)
