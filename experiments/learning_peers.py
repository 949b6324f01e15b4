"""lightly's side of the learning race: runs under a Python with lightly and timm.

Asked by `experiments.learning` with a resolved config; trains lightly's implementation
of the same method with the same encoder, batch size, steps, optimizer and strength of
crops and jitter, and writes the features of the training and test images.
"""

from __future__ import annotations

import copy
import math
import time

import numpy as np
import torch
from lightly import loss as losses
from lightly.models import modules, utils
from lightly.models.modules import heads
from lightly.transforms import MAETransform, SimCLRTransform
from lightly.utils.scheduler import cosine_schedule
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision import transforms

from experiments.benchmarks.peers import serve


def convnet(spec: dict, channels: int) -> tuple[nn.Module, int]:
    """`sslax.models.convnet` with flat or pooled features, and its last width."""
    layers: list[nn.Module] = []
    for width, stride in zip(spec["widths"], spec["strides"], strict=True):
        layers += [
            nn.Conv2d(channels, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        channels = width
    if spec.get("output", "pooled") == "flat":
        return nn.Sequential(*layers, nn.Flatten()), channels
    pooled = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, pooled, nn.Flatten()), channels


class SimCLR(nn.Module):
    def __init__(self, config: dict, encoder: nn.Module, width: int, examples: int):
        super().__init__()
        spec = config["method"]
        self.encoder = encoder
        self.head = heads.SimCLRProjectionHead(width, spec["hidden"], spec["dim"])
        self.criterion = losses.NTXentLoss(temperature=spec["temperature"])

    def forward(self, views, step):
        z1, z2 = (self.head(self.encoder(view)) for view in views)
        return self.criterion(z1, z2)


class BYOL(nn.Module):
    def __init__(self, config: dict, encoder: nn.Module, width: int, examples: int):
        super().__init__()
        spec = config["method"]
        hidden, dim = spec["hidden"], spec["dim"]
        self.encoder, self.steps = encoder, config["steps"]
        self.start = spec["momentum"]["start"]
        self.head = heads.BYOLProjectionHead(width, hidden, dim)
        self.predictor = heads.BYOLPredictionHead(dim, hidden, dim)
        self.teacher = copy.deepcopy(nn.Sequential(self.encoder, self.head))
        utils.deactivate_requires_grad(self.teacher)
        self.criterion = losses.NegativeCosineSimilarity()

    def forward(self, views, step):
        momentum = cosine_schedule(step, self.steps, self.start, 1)
        utils.update_momentum(self.encoder, self.teacher[0], m=momentum)
        utils.update_momentum(self.head, self.teacher[1], m=momentum)
        p1, p2 = (self.predictor(self.head(self.encoder(view))) for view in views)
        z1, z2 = (self.teacher(view).detach() for view in views)
        return 0.5 * (self.criterion(p1, z2) + self.criterion(p2, z1))


class MoCo(nn.Module):
    def __init__(self, config: dict, encoder: nn.Module, width: int, examples: int):
        super().__init__()
        spec = config["method"]
        self.encoder, self.momentum = encoder, spec["momentum"]
        self.head = heads.MoCoProjectionHead(width, spec["hidden"], spec["dim"])
        self.teacher = copy.deepcopy(nn.Sequential(self.encoder, self.head))
        utils.deactivate_requires_grad(self.teacher)
        self.criterion = losses.NTXentLoss(
            temperature=spec["temperature"],
            memory_bank_size=(spec["queue_size"], spec["dim"]),
        )

    def forward(self, views, step):
        utils.update_momentum(self.encoder, self.teacher[0], m=self.momentum)
        utils.update_momentum(self.head, self.teacher[1], m=self.momentum)
        query = self.head(self.encoder(views[0]))
        shuffled, order = utils.batch_shuffle(views[1])
        key = utils.batch_unshuffle(self.teacher(shuffled).detach(), order)
        return self.criterion(query, key)


class MAE(nn.Module):
    def __init__(self, config: dict, encoder: None, size: int, channels: int):
        super().__init__()
        spec = config["method"]
        enc, dec, patch = spec["encoder"], spec["decoder"], spec["patch_size"]
        vit = VisionTransformer(
            img_size=size,
            patch_size=patch,
            in_chans=channels,
            num_classes=0,
            embed_dim=enc["width"],
            depth=enc["depth"],
            num_heads=enc["heads"],
        )
        self.patch, self.ratio = patch, config["views"]["mask"]["ratio"]
        self.backbone = modules.MaskedVisionTransformerTIMM(vit=vit)
        self.length = self.backbone.sequence_length
        self.decoder = modules.MAEDecoderTIMM(
            num_patches=vit.patch_embed.num_patches,
            patch_size=patch,
            in_chans=channels,
            embed_dim=enc["width"],
            decoder_embed_dim=dec["width"],
            decoder_depth=dec["depth"],
            decoder_num_heads=dec["heads"],
        )
        self.criterion = nn.MSELoss()

    def forward(self, views, step):
        (images,) = views
        batch = len(images)
        keep, hidden = utils.random_token_mask(
            size=(batch, self.length), mask_ratio=self.ratio
        )
        seen = self.decoder.embed(self.backbone.encode(images=images, idx_keep=keep))
        tokens = utils.repeat_token(self.decoder.mask_token, (batch, self.length))
        tokens = utils.set_at_index(tokens, keep, seen.type_as(tokens))
        decoded = utils.get_at_index(self.decoder.decode(tokens), hidden)
        patches = utils.patchify(images, self.patch)
        target = utils.get_at_index(patches, hidden - 1)
        mean, var = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
        target = (target - mean) / (var + 1e-6) ** 0.5
        return self.criterion(self.decoder.predict(decoded), target)

    def encoder(self, images):
        return self.backbone.encode(images=images)[:, 1:].mean(dim=1)


METHODS = {"simclr": SimCLR, "byol": BYOL, "moco": MoCo, "mae": MAE}


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
    if config["method"]["name"] == "mae":
        view = config["views"]["view"]
        return MAETransform(view["size"], view["scale"][0], normalize=statistics)
    view = config["views"]["first"]
    jitter = view.get("jitter") or (0.0,) * 4
    return SimCLRTransform(
        input_size=view["size"],
        cj_prob=0.8 if view.get("jitter") else 0.0,
        cj_bright=jitter[0],
        cj_contrast=jitter[1],
        cj_sat=jitter[2],
        cj_hue=jitter[3],
        min_scale=view["scale"][0],
        random_gray_scale=view.get("grayscale", 0.0),
        gaussian_blur=view.get("blur", 0.0),
        normalize=statistics,
    )


def optimizer_of(config: dict, model: nn.Module):
    spec, steps = config["optimizer"], config["steps"]
    if spec["name"] != "adamw":
        raise ValueError(f"the race compares runs of adamw; got {spec['name']!r}")
    warmup = spec["schedule"].get("warmup", 0)

    def rate(step):
        if step < warmup:
            return step / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained,
        lr=spec["learning_rate"],
        betas=(spec.get("b1", 0.9), spec.get("b2", 0.999)),
        weight_decay=spec["weight_decay"],
    )
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def features(model, images: np.ndarray, statistics: dict) -> np.ndarray:
    model.eval()
    prepare = transforms.Normalize(statistics["mean"], statistics["std"])
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        parts = [model.encoder(prepare(part)) for part in tensor.split(500)]
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
    optimizer, schedule = optimizer_of(config, model)
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
            value = model(views, step)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step == config["steps"]:
                break
    seconds = time.monotonic() - began
    read = {k: features(model, arrays[k], question["statistics"]) for k in arrays}
    np.savez(question["out"], **read)
    return {"seconds": seconds, "loss": float(value), "torch": torch.__version__}


if __name__ == "__main__":
    serve(train)
