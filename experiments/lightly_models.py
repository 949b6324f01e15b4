"""lightly's implementations of methods, with the nets and sizes of a config.

`METHODS[name](config, encoder, width, examples)` is a module whose call on the views
and the number of the step gives the loss; they run under a Python with lightly.
"""

from __future__ import annotations

import copy
import itertools

from lightly import loss as losses
from lightly.models import modules, utils
from lightly.models.modules import heads
from lightly.utils.scheduler import cosine_schedule
from timm.models.vision_transformer import VisionTransformer
from torch import nn


def mlp(
    width: int, hidden: int, dim: int, *, depth: int, last: nn.Module | None = None
) -> nn.Module:
    """A head with batch norm and ReLU behind each hidden layer, by lightly's class."""
    widths = [width, *[hidden] * (depth - 1)]
    blocks: list = [
        (a, b, nn.BatchNorm1d(b), nn.ReLU()) for a, b in itertools.pairwise(widths)
    ]
    return heads.ProjectionHead([*blocks, (widths[-1], dim, last, None)])


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


class SimSiam(nn.Module):
    def __init__(self, config: dict, encoder: nn.Module, width: int, examples: int):
        super().__init__()
        spec = config["method"]
        dim, last = spec["dim"], nn.BatchNorm1d(spec["dim"], affine=False)
        self.encoder = encoder
        self.head = mlp(width, spec["hidden"], dim, depth=spec["depth"], last=last)
        self.predictor = heads.SimSiamPredictionHead(dim, spec["bottleneck"], dim)
        self.criterion = losses.NegativeCosineSimilarity()

    def forward(self, views, step):
        z1, z2 = (self.head(self.encoder(view)) for view in views)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        z1, z2 = z1.detach(), z2.detach()
        return 0.5 * (self.criterion(p1, z2) + self.criterion(p2, z1))


class OfTwoViews(nn.Module):
    """Barlow Twins and VICReg: a projector of so many layers, and a loss."""

    def __init__(self, config: dict, encoder: nn.Module, width: int, examples: int):
        super().__init__()
        spec = config["method"]
        self.encoder = encoder
        self.head = mlp(width, spec["hidden"], spec["dim"], depth=spec["depth"])
        barlow = spec["name"] == "barlow_twins"
        self.criterion = losses.BarlowTwinsLoss() if barlow else losses.VICRegLoss()

    def forward(self, views, step):
        z1, z2 = (self.head(self.encoder(view)) for view in views)
        return self.criterion(z1, z2)


class NNCLR(nn.Module):
    def __init__(self, config: dict, encoder: nn.Module, width: int, examples: int):
        super().__init__()
        spec = config["method"]
        dim, hidden = spec["dim"], spec["predictor_hidden"]
        self.encoder = encoder
        self.head = heads.NNCLRProjectionHead(width, spec["hidden"], dim)
        self.predictor = heads.NNCLRPredictionHead(dim, hidden, dim)
        self.queue = modules.NNMemoryBankModule(size=(spec["queue_size"], dim))
        self.criterion = losses.NTXentLoss(temperature=spec["temperature"])

    def forward(self, views, step):
        z1, z2 = (self.head(self.encoder(view)) for view in views)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        n1 = self.queue(z1.detach(), update=False)
        n2 = self.queue(z2.detach(), update=True)
        return 0.5 * (self.criterion(n1, p2) + self.criterion(n2, p1))


class SwAV(nn.Module):
    """Without a queue, which starts later in a run."""

    def __init__(self, config: dict, encoder: nn.Module, width: int, examples: int):
        super().__init__()
        spec = config["method"]
        self.encoder = encoder
        self.head = heads.SwaVProjectionHead(width, spec["hidden"], spec["dim"])
        self.prototypes = heads.SwaVPrototypes(spec["dim"], spec["prototypes"])
        self.criterion = losses.SwaVLoss()

    def forward(self, views, step):
        self.prototypes.normalize()
        z = [nn.functional.normalize(self.head(self.encoder(view))) for view in views]
        scores = [self.prototypes(each) for each in z]
        return self.criterion(scores[:2], scores[2:])


class DINO(nn.Module):
    def __init__(self, config: dict, encoder: nn.Module, width: int, examples: int):
        super().__init__()
        spec = config["method"]
        sizes = (width, spec["hidden"], spec["bottleneck"], spec["dim"])
        self.encoder, self.steps = encoder, config["steps"]
        self.start = spec["momentum"]["start"]
        self.head = heads.DINOProjectionHead(*sizes)
        slow = heads.DINOProjectionHead(*sizes)  # weight norm cannot be copied
        slow.load_state_dict(self.head.state_dict())
        self.teacher = nn.Sequential(copy.deepcopy(self.encoder), slow)
        utils.deactivate_requires_grad(self.teacher)
        self.criterion = losses.DINOLoss(output_dim=spec["dim"])

    def forward(self, views, step):
        momentum = cosine_schedule(step, self.steps, self.start, 1)
        utils.update_momentum(self.encoder, self.teacher[0], m=momentum)
        utils.update_momentum(self.head, self.teacher[1], m=momentum)
        slow = [self.teacher(view).detach() for view in views[:2]]
        online = [self.head(self.encoder(view)) for view in views]
        return self.criterion(slow, online, teacher_temp=0.04)


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
            size=(batch, self.length), mask_ratio=self.ratio, device=images.device
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


METHODS = {
    "barlow_twins": OfTwoViews,
    "byol": BYOL,
    "dino": DINO,
    "mae": MAE,
    "moco": MoCo,
    "nnclr": NNCLR,
    "simclr": SimCLR,
    "simsiam": SimSiam,
    "swav": SwAV,
    "vicreg": OfTwoViews,
}
