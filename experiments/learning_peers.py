"""lightly's side of the learning race: runs under a Python with lightly and timm.

Asked by `experiments.learning` with a resolved config; trains lightly's implementation
of the same method with the same encoder, batch size, steps, optimizer and strength of
crops and jitter, and writes the features of the training and test images.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from lightly.transforms import MAETransform, SimCLRTransform, SwaVTransform
from PIL import Image
from torch import nn
from torchvision import transforms

from experiments.benchmarks.peers import serve
from experiments.lightly_models import MAE, METHODS

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def convnet(spec: dict, channels: int) -> tuple[nn.Module, int]:
    """`sslax.models.convnet` with flat or pooled features, and its last width.

    It starts as ours: the scale of kernels before a norm sets how fast they turn.
    """
    layers: list[nn.Module] = []
    for width, stride in zip(spec["widths"], spec["strides"], strict=True):
        conv = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    if spec.get("output", "pooled") == "flat":
        return nn.Sequential(*layers, nn.Flatten()), channels
    pooled = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, pooled, nn.Flatten()), channels


class Views(torch.utils.data.Dataset):
    """Images in memory through lightly's transform, one by one as its users have it."""

    def __init__(self, images: np.ndarray, transform):
        squeezed = images[..., 0] if images.shape[-1] == 1 else images
        self.images = [Image.fromarray(image) for image in squeezed]
        self.transform = transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index])


def transform_of(config: dict, statistics: dict):
    views = config["views"]
    if views["name"] == "masked":
        view = views["view"]
        return MAETransform(view["size"], view["scale"][0], normalize=statistics)
    view = views["first"]
    jitter = view.get("jitter") or (0.0,) * 4
    common = {
        "cj_prob": 0.8 if view.get("jitter") else 0.0,
        **dict(
            zip(("cj_bright", "cj_contrast", "cj_sat", "cj_hue"), jitter, strict=True)
        ),
        "random_gray_scale": view.get("grayscale", 0.0),
        "gaussian_blur": view.get("blur", 0.0),
        "normalize": statistics,
    }
    if views["name"] == "multi_crop":
        pair = (view, views["small"])
        return SwaVTransform(
            crop_sizes=tuple(one["size"] for one in pair),
            crop_counts=(2, views["count"]),
            crop_min_scales=tuple(one["scale"][0] for one in pair),
            crop_max_scales=tuple(one["scale"][1] for one in pair),
            **common,
        )
    return SimCLRTransform(
        input_size=view["size"], min_scale=view["scale"][0], **common
    )


class Optimizer:
    """AdamW with what the config puts around it: clipping, rest, a constant rate."""

    def __init__(self, config: dict, model: nn.Module):
        spec, self.clip, self.rest, constant = config["optimizer"], None, 0, ()
        while spec["name"] != "adamw":
            if spec["name"] == "clipped":
                self.clip = spec["norm"]
            elif spec["name"] == "frozen":
                self.rest = spec["steps"]
            elif spec["name"] == "grouped":
                constant = spec["others"][0][0]
            else:
                raise ValueError(f"the race compares runs of adamw; got {spec}")
            spec = spec["optimizer"]
        named = [(k, p) for k, p in model.named_parameters() if p.requires_grad]
        kept = [p for k, p in named if k.split(".")[0] in constant]
        moved = [p for k, p in named if k.split(".")[0] not in constant]
        self.weights = [*moved, *kept]
        self.last = [p for k, p in named if "prototypes" in k or "last_layer" in k]
        self.optimizer = torch.optim.AdamW(
            [{"params": group} for group in (moved, kept) if group],
            lr=spec["learning_rate"],
            betas=(spec.get("b1", 0.9), spec.get("b2", 0.999)),
            weight_decay=spec["weight_decay"],
        )
        steps, warmup = config["steps"], spec["schedule"].get("warmup", 0)

        def rate(step):
            if step < warmup:
                return step / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

        rates = [rate, lambda step: 1.0][: len(self.optimizer.param_groups)]
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, rates)

    def step(self, loss: torch.Tensor, step: int) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        if step < self.rest:
            for weight in self.last:
                weight.grad = None
        if self.clip:
            for weight in self.weights:
                nn.utils.clip_grad_norm_(weight, self.clip)
        self.optimizer.step()
        self.schedule.step()


def features(model, images: np.ndarray, statistics: dict) -> np.ndarray:
    model.eval()
    prepare = transforms.Normalize(statistics["mean"], statistics["std"])
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        parts = [
            model.encoder(prepare(part.to(DEVICE))).cpu() for part in tensor.split(500)
        ]
    return torch.cat(parts).numpy()


def train(question: dict) -> dict:
    """Trains one method; writes features, and answers with its speed."""
    config = question["config"]
    torch.manual_seed(config["seed"])
    arrays = np.load(question["images"])
    images = arrays["train"]
    size, channels = images.shape[1], images.shape[-1]
    name = config["method"]["name"]
    if name == "mae":
        model: nn.Module = MAE(config, None, size, channels)
    else:
        encoder, _ = convnet(config["method"]["encoder"], channels)
        width = encoder(torch.zeros(2, channels, size, size)).shape[1]
        model = METHODS[name](config, encoder, width, len(images))
    model.to(DEVICE)
    optimizer = Optimizer(config, model)
    loader = torch.utils.data.DataLoader(
        Views(images, transform_of(config, question["statistics"])),
        batch_size=config["batch_size"],
        shuffle=True,
        drop_last=True,
        num_workers=question["workers"],
        persistent_workers=question["workers"] > 0,
    )
    model.train()
    step, began = 0, time.monotonic()
    while step < config["steps"]:
        for views in loader:
            value = model([view.to(DEVICE) for view in views], step)
            optimizer.step(value, step)
            step += 1
            if step == config["steps"]:
                break
    seconds = time.monotonic() - began
    read = {k: features(model, arrays[k], question["statistics"]) for k in arrays}
    np.savez(question["out"], **read)
    return {"seconds": seconds, "loss": float(value), "torch": torch.__version__}


if __name__ == "__main__":
    serve(train)
