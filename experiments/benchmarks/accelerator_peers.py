"""lightly's side of the benchmark on an accelerator: full-size configs in PyTorch.

Answers questions on standard input, one JSON object a line. `{"case": c}` prepares the
step of a config, eager and if asked for compiled, and gives the seconds of the first
steps of each form and what failed; `{"form": f, "steps": n}` runs some. The next case
frees the memory of the one before, and so does `{}`.

Networks are torchvision's and timm's, of the config's shape, heads and losses are
lightly's. Views are noise that lies on the device, one for each crop. bfloat16 is
autocast, float32 may be TF32. Optimizers are torch's fused SGD with momentum for
ResNets and AdamW for transformers: as fast as there are, whatever the config has.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import timm
import torch
from torch import nn

from experiments.benchmarks.models_peers import network
from experiments.benchmarks.peers import serve
from experiments.lightly_models import METHODS

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Width, depth and heads of transformers by size.
SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12)}
SIZES |= {"large": (1024, 24, 16), "huge": (1280, 32, 16)}
SHAPE = ("width", "depth", "heads")
WARM = 3  # steps of a form before any is timed
RUN: dict[str, Callable[[], None]] = {}  # the step of the last case in each form


def with_shape(spec: dict) -> dict:
    """A transformer's call with its width, depth and heads."""
    name = spec["name"].removeprefix("vit_")
    size = SIZES[spec.get("size", name if name in SIZES else "base")]
    named = dict(zip(SHAPE, size, strict=True))
    return {**spec, **{k: spec.get(k) or v for k, v in named.items()}}


def encoder_of(spec: dict, side: int) -> nn.Module:
    """torchvision's or timm's network for views up to a side."""
    if "resnet" in spec["name"]:
        return network(spec["name"])
    shape = with_shape(spec)
    return timm.models.vision_transformer.VisionTransformer(
        img_size=side,
        patch_size=spec.get("patch_size", 16),
        embed_dim=shape["width"],
        depth=shape["depth"],
        num_heads=shape["heads"],
        num_classes=0,
        drop_path_rate=spec.get("drop_path", 0.0),
        dynamic_img_size=True,  # small crops as well
    )


def module_of(config: dict, side: int) -> nn.Module:
    """lightly's method with a network of the config's shape."""
    spec = config["method"]
    if spec["name"] == "mae":
        spec = {**spec, "encoder": with_shape(spec["encoder"])}
        return METHODS["mae"]({**config, "method": spec}, None, side, 3)
    encoder = encoder_of(spec["encoder"], side)
    with torch.no_grad():
        width = encoder(torch.zeros(2, 3, side, side)).shape[1]
    return METHODS[spec["name"]](config, encoder, width, 0)


def compile_nets(model: nn.Module) -> None:
    """Compiles the networks where they stand: losses and banks would break graphs."""
    if hasattr(model, "backbone"):  # which is called by a method of its own
        for owner, name in ((model.backbone, "encode"), (model.decoder, "decode")):
            compiled = torch.compile(getattr(owner, name), dynamic=False)
            setattr(owner, name, compiled)
        return
    model.encoder.compile(dynamic=False)
    if hasattr(model, "teacher"):
        model.teacher[0].compile(dynamic=False)


def step_of(case: dict, compiled: bool) -> Callable[[], None]:
    """A step on views of noise."""
    config, sizes = case["config"], case["sizes"]
    convolutions = "resnet" in config["method"]["encoder"]["name"]
    # Convolutions are fastest there with channels last.
    layout = torch.channels_last if convolutions else torch.contiguous_format
    model = module_of(config, max(sizes)).train().to(DEVICE)
    model = model.to(memory_format=layout)
    if compiled:
        compile_nets(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    options = {"fused": DEVICE == "cuda"}
    if convolutions:
        optimizer = torch.optim.SGD(trained, lr=0.01, momentum=0.9, **options)
    else:
        optimizer = torch.optim.AdamW(trained, lr=1e-4, **options)
    views = [
        torch.randn(case["batch"], 3, size, size, device=DEVICE).contiguous(
            memory_format=layout
        )
        for size in sizes
    ]
    half = case["dtype"] == "bfloat16"

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=half):
            loss = model(views, 0)
        loss.backward()
        optimizer.step()

    return run


def wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def free() -> None:
    """Gives the memory of the last case back to the device."""
    RUN.clear()
    torch.compiler.reset()
    gc.collect()
    if DEVICE == "cuda":
        torch.cuda.empty_cache()


def prepare(case: dict) -> dict[str, Any]:
    """Builds and warms each form; one that fails is left out and told."""
    free()
    first, failed, peak = {}, {}, {}
    for form in ("eager", "compiled") if case["compile"] else ("eager",):
        began = time.perf_counter()
        if DEVICE == "cuda":
            torch.cuda.reset_peak_memory_stats()
        try:
            run = step_of(case, form == "compiled")
            for _ in range(WARM):
                run()
            wait()
        except Exception as error:  # out of memory, or nothing to compile with
            failed[form] = f"{error!r:.300}"
            continue
        first[form], RUN[form] = time.perf_counter() - began, run
        if DEVICE == "cuda":
            peak[form] = torch.cuda.max_memory_allocated() / 2**30
    return {"first": first, "failed": failed, "peak": peak, "torch": torch.__version__}


def answer(question: dict) -> Any:
    if "case" in question:
        return prepare(question["case"])
    if not question:
        return free()
    for _ in range(question["steps"]):
        RUN[question["form"]]()
    wait()
    return True


def main() -> None:
    # As JAX multiplies float32 on a GPU.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    serve(answer)


if __name__ == "__main__":
    main()
