"""The field's few pipelines of views, and the papers' probes; a config picks its own.

Papers share them: what differs between two of them is an argument here. All crops are
random resized crops; nothing is normalised, which `config.normalize` does at the end.
"""


def crop(size: int, *, scale=(0.08, 1.0), resize: str = "bilinear", **kwargs) -> dict:
    """Inception's crop and a flip: supervised training, MAE, rotations.

    torchvision resizes bilinearly where nobody says otherwise; MAE says bicubic.
    """
    return dict(name="view", size=size, scale=scale, resize=resize, **kwargs)


def square(size: int, *, resize_to: int, **kwargs) -> dict:
    """A crop of a fixed size, as before Inception's: jigsaws, colorization."""
    return dict(name="fixed_crop", size=size, resize_to=resize_to, **kwargs)


def simclr(size: int, *, strength: float = 1.0, blur: float = 0.5) -> dict:
    """Two views of SimCLR's code, in TensorFlow: no antialiasing, colours clipped.

    Half the strength and no blur are its CIFAR-10.
    """
    s = strength
    view = crop(
        size,
        crop="tf",
        resize="bicubic",
        antialias=False,
        jitter=(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s),
        colour="simclr",
        grayscale=0.2,
        blur=blur,
        padding="zero",
    )
    return dict(name="two_views", first=view)


def moco(
    size: int, *, scale=(0.2, 1.0), blur: float = 0.5, strength: float = 0.5
) -> dict:
    """Two views of MoCo v2's code, in torchvision: SimCLR's with half the jitter."""
    s = strength
    view = crop(
        size,
        scale=scale,
        jitter=(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s),
        colour="torchvision",
        grayscale=0.2,
        blur=blur,
    )
    return dict(name="two_views", first=view)


def upright(size: int) -> dict:
    """Nearly all of an image, not mirrored: captions tell what is on the left."""
    view = crop(size, scale=(0.9, 1.0), resize="bicubic", flip=0.0)
    return dict(name="one_view", view=view)


def instance(
    size: int, *, scale=(0.2, 1.0), flip: float = 0.5, grey_first: bool = False
) -> dict:
    """One view of instance discrimination before SimCLR: strong colours, no blur."""
    return crop(
        size,
        scale=scale,
        flip=flip,
        jitter=(0.4, 0.4, 0.4, 0.4),
        jitter_prob=1.0,
        colour="torchvision",
        grayscale=0.2,
        grey_first=grey_first,
    )


def channels(size: int, *, scale=(0.2, 1.0), apart=(1, 2), evaluated=None) -> dict:
    """Lightness and colours of one crop, as views; or of the centre, to evaluate."""
    view = crop(size, scale=scale)
    if evaluated is not None:
        view = dict(name="center", size=size, **evaluated)
    return dict(name="channel_views", view=view, space="lab", channels=apart)


def byol(size: int, *, blur=(1.0, 0.1), solarize=(0.0, 0.2)) -> dict:
    """Two unlike views of BYOL's code, in TensorFlow: blur and solarisation differ."""

    def view(blur, solarize):
        return crop(
            size,
            crop="byol",
            resize="bicubic",
            antialias=False,
            jitter=(0.4, 0.4, 0.2, 0.1),
            colour="byol",
            grayscale=0.2,
            blur=blur,
            padding="zero",
            solarize=solarize,
        )

    first, second = (view(*chances) for chances in zip(blur, solarize, strict=True))
    return dict(name="two_views", first=first, second=second)


def torch_byol(
    size: int,
    *,
    scale=(0.08, 1.0),
    blur=(1.0, 0.1),
    solarize=(0.0, 0.2),
    resize: str = "bilinear",
    name: str = "two_views",
) -> dict:
    """BYOL's two unlike views as codes in torchvision have them.

    Barlow Twins, VICReg and solo-learn resize by "bicubic".
    """

    def view(blur, solarize):
        return crop(
            size,
            scale=scale,
            resize=resize,
            jitter=(0.4, 0.4, 0.2, 0.1),
            colour="torchvision",
            grayscale=0.2,
            blur=blur,
            solarize=solarize,
        )

    first, second = (view(*chances) for chances in zip(blur, solarize, strict=True))
    return dict(name=name, first=first, second=second)


# Pillow's blur, of two papers with small crops, has no window: 8 pixels on each side
# are four deviations.
_WIDE = 17


def swav(size: int, *, small: int, count: int = 6) -> dict:
    """Two large crops and several small ones of SwAV's code, in torchvision."""

    def view(size, scale):
        return crop(
            size,
            scale=scale,
            jitter=(0.8, 0.8, 0.8, 0.2),
            colour="torchvision",
            grayscale=0.2,
            blur=0.5,
            kernel_size=_WIDE,
        )

    return dict(
        name="multi_crop",
        first=view(size, (0.14, 1.0)),
        small=view(small, (0.05, 0.14)),
        count=count,
    )


def dino(
    size: int, *, small: int, count: int = 8, scale=(0.4, 1.0), parts=(0.05, 0.4)
) -> dict:
    """Two unlike large crops and several small ones of DINO's code, in torchvision."""

    def view(size, scale, blur, solarize=0.0):
        return crop(
            size,
            scale=scale,
            resize="bicubic",
            jitter=(0.4, 0.4, 0.2, 0.1),
            colour="torchvision",
            grayscale=0.2,
            blur=blur,
            kernel_size=_WIDE,
            solarize=solarize,
            threshold=128 / 255,
        )

    return dict(
        name="multi_crop",
        first=view(size, scale, 1.0),
        second=view(size, scale, 0.1, solarize=0.2),
        small=view(small, parts, 0.5),
        count=count,
    )


def masked(size: int, mask: dict, *, scale=(0.2, 1.0)) -> dict:
    """MAE's bicubic crop, of which a part is hidden."""
    view = crop(size, scale=scale, resize="bicubic")
    return dict(name="masked", view=view, mask=mask)


def hidden(patch_size: int) -> dict:
    """MAE's mask: three of four patches, at random."""
    return dict(name="hide_patches", patch_size=patch_size, ratio=0.75)


def sample_crops(size: int = 28, *, small: int = 16, count: int = 4) -> dict:
    """Crops of small grey pictures, and smaller parts of them."""
    part = crop(small, scale=(0.1, 0.4), jitter=(0.4, 0.4, 0.0, 0.0))
    return dict(name="multi_crop", first=sample(size), small=part, count=count)


def sample(size: int = 28) -> dict:
    """Crops of small grey pictures, whose shape is all there is: no less than 40 %."""
    return crop(size, scale=(0.4, 1.0), jitter=(0.4, 0.4, 0.0, 0.0))


# Patches without colours, in training and evaluation.
GREY = dict(
    name="altered_patches",
    magnitude=0.0,
    elastic=0.0,
    histogram=0.0,
    jitter=0.0,
    grayscale=1.0,
)


def patches(view: dict, *, size: int, stride: int, window=None, each=None) -> dict:
    """A grid of overlapping patches of a view; training may keep a window of each."""
    return dict(
        name="overlapping_patches",
        view=view,
        size=size,
        stride=stride,
        window=window,
        each=each,
    )


def center(size: int, **kwargs) -> dict:
    """The centre of every image, for evaluation: a view inside its builder."""
    return dict(name="one_view", view=dict(name="center", size=size, **kwargs))


# Linear probes of the papers: arguments of evaluate.linear_probe. Rates are per batch
# of 256; ImageNet's batches of thousands would leave a small set few updates an epoch.
PROBES = {
    "simclr": dict(
        optimizer="nesterov",
        learning_rate=0.1,
        batch_size=4096,
        epochs=90,
        weight_decay=1e-6,
        init_scale=0.0,
    ),
    "byol": dict(optimizer="nesterov", learning_rate=0.2, epochs=80),
    "simsiam": dict(optimizer="lars", learning_rate=0.1, batch_size=4096, epochs=90),
    "barlow_twins": dict(learning_rate=0.3, epochs=100, weight_decay=1e-6),
    "vicreg": dict(learning_rate=0.02, epochs=100, weight_decay=1e-6),
    "moco": dict(learning_rate=30.0, batch_size=256, epochs=100, milestones=(60, 80)),
    "jigsaw_clustering": dict(
        learning_rate=10.0, batch_size=256, epochs=100, milestones=(60, 80)
    ),
    "moco_v3": dict(learning_rate=3.0, batch_size=1024, epochs=90),
    "moco_v3_resnet": dict(learning_rate=0.1, batch_size=1024, epochs=90),
    "swav": dict(learning_rate=0.3, epochs=100, weight_decay=1e-6),
    # 50, 25 and 10 thousand steps at 0.1, 0.01 and 0.001.
    "cpc": dict(
        learning_rate=0.0125, batch_size=2048, epochs=136, milestones=(80, 120)
    ),
    "cpc_v2": dict(
        learning_rate=0.0125,
        batch_size=2048,
        epochs=136,
        milestones=(80, 120),
        batch_norm=True,
    ),
    "cmc": dict(learning_rate=30.0, batch_size=256, epochs=60, milestones=(30, 40, 50)),
    "dino": dict(learning_rate=0.001, epochs=100),
    "mae": dict(
        optimizer="lars",
        learning_rate=0.1,
        batch_size=16384,
        epochs=90,
        warmup_epochs=10,
        batch_norm=True,
    ),
}


def classify(probe: str, *, batch_size: int | None = None, **kwargs) -> dict:
    """kNN, linear probes and few labels, with the SGD probe of a paper."""
    recipe = dict(PROBES[probe])
    if batch_size is not None:
        recipe["batch_size"] = batch_size
    return dict(name="classify", probe=recipe, **kwargs)


def clip(
    size: int, *, frames: int, ahead: int, reach: float, sound=(-4.0, 1.5)
) -> dict:
    """A window of clips in all modalities; the sound is as loud as drawn clips are."""
    return dict(
        name="clips",
        size=size,
        frames=frames,
        ahead=ahead,
        reach=reach,
        sound=sound,
    )
