"""lightly's side of the benchmark of methods.

Answers questions on standard input, one JSON object a line: `{"config": c, "side": s,
"batch": b, "sizes": [...]}` prepares a method with views of these sizes and runs a step
of it, `{}` runs another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from experiments.benchmarks.models_peers import network
from experiments.benchmarks.peers import serve
from experiments.lightly_models import METHODS

RUN: list[Callable[[], Any]] = []  # the step of the last method that was asked for


def module_of(config: dict, side: int) -> torch.nn.Module:
    """lightly's method with torchvision's or timm's encoder of the same shape."""
    spec = config["method"]
    if spec["name"] == "mae":
        return METHODS["mae"](config, None, side, 3)
    encoder = network("resnet18" if "stem" in spec["encoder"] else "vit_ti16")
    width = encoder(torch.zeros(2, 3, side, side)).shape[1]
    return METHODS[spec["name"]](config, encoder, width, 0)


def prepare(config: dict, side: int, batch: int, sizes: list[int]) -> None:
    """A step on views of noise, with AdamW as in the samples of configs."""
    model = module_of(config, side).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    layout = torch.contiguous_format
    if "stem" in config["method"]["encoder"]:
        # Convolutions are fastest there with channels last.
        layout, model = torch.channels_last, model.to(memory_format=torch.channels_last)
    views = [
        torch.randn(batch, 3, size, size).contiguous(memory_format=layout)
        for size in sizes
    ]

    def run():
        optimizer.zero_grad()
        model(views, 0).backward()
        optimizer.step()

    RUN[:] = [run]


def answer(question: dict) -> bool:
    if question:
        prepare(**question)
    RUN[0]()
    return True


if __name__ == "__main__":
    serve(answer)
