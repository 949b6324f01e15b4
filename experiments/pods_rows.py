"""What `experiments.pods` plans: title, recipe, changes of its fields."""

from __future__ import annotations

from collections.abc import Iterator

Row = tuple[str, str, tuple[str, ...]]

# At their own batches of 64 to 256 a chip of 256 would have an image or none.
LARGE = ("batch_size=4096",)
RECIPES: tuple[Row, ...] = (
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


def _attention() -> Iterator[Row]:
    """Forms of attention at two sizes; "before" is the plain one in float32."""
    nets = {f"MAE, ViT-{n[0].upper()}": f"mae:{n}" for n in ("base", "large", "huge")}
    nets |= {f"DINO, ViT-{n[0].upper()}": f"dino:{n}" for n in ("base", "large")}
    for net, recipe in nets.items():
        method, _, size = recipe.partition(":")
        for pixels in (224, 448):
            views = {"mae": ("view",), "dino": ("first", "second")}[method]
            changes = [f"views.{view}.size={pixels}" for view in views]
            changes += ["batch_size=2048"] if method == "mae" else []
            if method == "dino":
                recipe = "dino:imagenet"
                changes.append(f"method.encoder.name=vit_{size}")
            parts = ("encoder", "decoder") if method == "mae" else ("encoder",)
            plain = [f"method.{part}.attention=xla" for part in parts]
            forms = {"before": ["dtype=float32", *plain], "plain": plain, "auto": []}
            for form, more in forms.items():
                yield f"{net}, {pixels} px, {form}", recipe, (*changes, *more)


ATTENTION = tuple(_attention())
