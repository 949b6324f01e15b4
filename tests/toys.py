"""Every method at toy size: the smallest nets and views that are still the method."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sslax import methods, models, schedules, views
from sslax.core import Method, Net

SIZE, BATCH, CLASSES = 16, 16, 4


class Toy(NamedTuple):
    """A method with views and a batch for it."""

    method: Method
    views: object


def encoder(**kwargs):
    return models.convnet(widths=(4, 8), **kwargs)


def view(**kwargs):
    return views.view(size=SIZE, **kwargs)


def two_views():
    return views.two_views(first=view(), second=view(solarize=0.2))


def coloured():
    """With jitter, grey and blur, which compile as long as all else: few have them."""
    colours = {"jitter": (0.4, 0.4, 0.2, 0.1), "grayscale": 0.2, "blur": 0.5}
    first, second = view(**colours), view(**colours, solarize=0.2)
    return views.two_views(first=first, second=second)


def simclr():
    return Toy(methods.simclr(encoder(), hidden=8, dim=4), coloured())


def simclr_memory():
    method = methods.simclr_memory(encoder(), hidden=8, dim=4, queue_size=48)
    return Toy(method, two_views())


def byol():
    return Toy(methods.byol(encoder(), hidden=8, dim=4), two_views())


def moco():
    method = methods.moco(encoder(bn_groups=2), hidden=8, dim=4, queue_size=48)
    return Toy(method, two_views())


def moco_backgrounds():
    method = methods.moco_backgrounds(
        encoder(bn_groups=2), hidden=8, dim=4, queue_size=48
    )
    swapped = views.swapped_backgrounds(
        first=view(), probability=0.5, negative=0.5, foreground="saliency"
    )
    return Toy(method, swapped)


def moco_v3():
    """Coloured: of plain crops so few numbers differ that rounding grows too fast."""
    method = methods.moco_v3(encoder(), hidden=8, dim=4, depth=2, temperature=1.0)
    return Toy(method, coloured())


def multi_crop():
    return views.multi_crop(first=view(), small=views.view(size=SIZE // 2), count=2)


def barlow_twins():
    return Toy(methods.barlow_twins(encoder(), hidden=8, dim=4), two_views())


def nnclr():
    sizes = {"hidden": 8, "dim": 4, "predictor_hidden": 8, "queue_size": 48}
    return Toy(methods.nnclr(encoder(), **sizes), two_views())


def vicreg():
    return Toy(methods.vicreg(encoder(), hidden=8, dim=4), two_views())


def simsiam():
    method = methods.simsiam(encoder(), hidden=8, dim=8, depth=2, bottleneck=4)
    return Toy(method, two_views())


def pixcontrast():
    net = encoder(strides=(2, 2), output=("pooled", "map"))
    method = methods.pixcontrast(net, hidden=8, dim=4, instance=1.0)
    return Toy(method, views.pixel_views(first=view(), second=view(solarize=0.2)))


def pixpro():
    net = encoder(strides=(2, 2), output=("pooled", "map"))
    method = methods.pixpro(net, hidden=8, dim=4, layers=2, instance=1.0)
    return Toy(method, views.pixel_views(first=view(), second=view(solarize=0.2)))


def localmim():
    taps, size = ("embedded", "block0"), {"width": 8, "depth": 1, "heads": 2}
    vit = models.vit(
        **size, patch_size=4, positions="sincos", output=("map", *taps, "attention")
    )
    decoder = models.local_mim_decoder(scales=(1, 0.5), dim=27, width=8, heads=2)
    method = methods.localmim(vit, decoder, taps=taps, cells=(4, 8), patch_size=4)
    mask = views.hide_patches(patch_size=4, ratio=0.75)
    return Toy(method, views.masked(view=view(), mask=mask))


def mae():
    method = methods.mae(
        models.mae_encoder(width=8, depth=1, heads=2, patch_size=4),
        models.mae_decoder(width=8, depth=1, heads=2, patch_size=4),
        patch_size=4,
    )
    mask = views.hide_patches(patch_size=4, ratio=0.75)
    return Toy(method, views.masked(view=view(), mask=mask))


def relative_vit(output):
    """BEiT's transformer, which SimMIM takes as well."""
    return models.vit(
        width=8,
        depth=1,
        heads=2,
        patch_size=4,
        positions="none",
        relative="shared",
        qkv_bias="qv",
        layer_scale=0.1,
        mask_token=True,
        output=(output, "attention"),
    )


def simmim():
    decoder = models.simmim_decoder(patch_size=4)
    mask = views.hide_units(patch_size=4, unit=8, ratio=0.6)
    return Toy(
        methods.simmim(relative_vit("map"), decoder, patch_size=4, window=5),
        views.masked(view=view(), mask=mask),
    )


def dvae():
    nets = (
        models.dvae_encoder(width=4, depth=1, words=6),
        models.dvae_decoder(width=4, depth=1, code_dim=4, channels=6),
    )
    method = methods.dvae(*nets, temperature=0.9, kl_weight=0.1, momentum=0.5)
    return Toy(method, views.one_view(view=view()))


def beit():
    method = methods.beit(
        relative_vit("tokens"),
        models.dvae_encoder(width=4, depth=1, words=6),
        patch_size=4,
        words=6,
        decoder=models.dvae_decoder(width=4, depth=1, code_dim=4, channels=6),
    )
    make = views.masked(
        view=view(),
        rendering=views.view(size=SIZE // 2, resize="lanczos"),
        mask=views.hide_blocks(patch_size=4, count=6, least=2),
    )
    return Toy(method, make)


def swav():
    method = methods.swav(
        encoder(), hidden=8, dim=4, prototypes=6, queue_size=BATCH, queue_start=1
    )
    return Toy(method, multi_crop())


def deepmim():
    encoder = models.mae_encoder(
        width=8, depth=2, heads=2, patch_size=4, output=("tokens", "block0")
    )
    method = methods.deepmim(
        encoder,
        models.deep_mim_decoder(taps=2, dim=6, width=8, depth=1, heads=2),
        taps=("block0", "tokens"),
        patch_size=4,
        teacher=models.vit(width=6, depth=1, heads=2, patch_size=4, output="map"),
    )
    mask = views.hide_patches(patch_size=4, ratio=0.75)
    return Toy(method, views.masked(view=view(), mask=mask))


def dino():
    vit = models.vit(
        width=8,
        depth=1,
        heads=2,
        patch_size=4,
        output=("pooled", "map", "attention"),
    )
    method = methods.dino(vit, dim=6, hidden=8, bottleneck=4)
    return Toy(method, multi_crop())


def ibot():
    vit = models.vit(
        width=8,
        depth=1,
        heads=2,
        patch_size=4,
        mask_token=True,
        output=("pooled", "map"),
    )
    method = methods.ibot(vit, dim=6, shared=False, hidden=8, bottleneck=4)
    mask = views.hide_some(patch_size=4)
    return Toy(method, views.masked_crops(crops=multi_crop(), mask=mask))


def rotation():
    return Toy(methods.rotation(encoder()), views.rotated(view=view()))


def jigsaw():
    net = encoder(norm="none", output=("pooled", "map"))
    classifier = models.linear(dim=6)
    method = methods.jigsaw(net, classifier, tiles=4, permutations=6, features="map")
    make = views.jigsaw(view=view(), grid=2, tile=6, jitter=1, permutations=6)
    return Toy(method, make)


def jigsaw_clustering():
    net = encoder(strides=(2, 2), output=("pooled", "map"))
    method = methods.jigsaw_clustering(net, hidden=8, dim=4)
    return Toy(method, views.montage(view=views.view(size=SIZE // 2)))


def painter():
    """Two convolutions whose map are the logits: a colour for each channel."""
    net = models.convnet(widths=(8, 4), strides=(2, 2), output=("pooled", "map"))

    def apply(*args, **options):
        out, stats = net.apply(*args, **options)
        return {**out, "logits": out["map"]}, stats

    return Net(net.init, apply, ("pooled", "map", "logits"))


def colorization():
    centres = np.array([[-40, -40], [-40, 40], [40, -40], [40, 40]], np.float32)
    method = methods.colorization(
        painter(), centres=centres, prior=np.full(4, 0.25, np.float32), neighbours=2
    )
    return Toy(method, views.lab(view=view()))


def one_view():
    return views.one_view(view=view())


def instdisc():
    method = methods.instdisc(encoder(), examples=3 * BATCH, dim=4, negatives=6)
    return Toy(method, one_view())


def invaspread():
    return Toy(methods.invaspread(encoder(), dim=4), two_views())


def captions(words):
    """A view, and a text of each image, which ends with the last word."""
    make = one_view()

    def paired(key, batch):
        index = jnp.asarray(batch["index"])
        text = jnp.stack([index % 5 + 1, index % 7 + 1, 0 * index + words - 1], axis=1)
        return make(key, {**batch, "text": jnp.pad(text, ((0, 0), (0, 1)))})

    return paired


def clip():
    size = {"dim": 4, "width": 8, "depth": 1, "heads": 2}
    vit = models.clip_vit(**size, patch_size=8, output=("pooled", "unprojected"))
    text = models.clip_text(**size, words=10, context=4)
    return Toy(methods.clip(vit, text, features="unprojected"), captions(10))


def cmc():
    method = methods.cmc(
        (encoder(), encoder()),
        examples=3 * BATCH,
        dim=4,
        contrast="nce",
        negatives=6,
    )
    return Toy(method, views.channel_views(view=view()))


def context_prediction():
    head = models.caffenet_head(dim=8, hidden=(8, 6))
    make = views.context_pairs(patch=6, gap=1, jitter=1, level=1.0, pixelate=0.0)
    return Toy(methods.context_prediction(encoder(strides=(2, 2)), head), make)


def convmae():
    encoder = models.convmae_encoder(
        widths=(4, 4, 8), depths=(1, 1, 1), strides=(2, 1, 2), heads=2
    )
    decoder = models.mae_decoder(
        width=8, depth=1, heads=2, patch_size=4, class_token=False
    )
    mask = views.hide_patches(patch_size=4, ratio=0.75)
    return Toy(
        methods.convmae(encoder, decoder, patch_size=4),
        views.masked(view=view(), mask=mask),
    )


def counting():
    net, counter = encoder(norm="none"), models.linear(dim=6)
    return Toy(methods.counting(net, counter), views.counted(view=views.view(size=8)))


def cpc():
    net = models.preact_resnet(stages=(1,), width=4, bottleneck=False, stem="small")
    context = models.pixel_cnn(layers=1)
    method = methods.cpc(net, context, steps=1, negatives=4, directions=2)
    grid = views.overlapping_patches(view=view(), size=4, stride=4, window=3)
    return Toy(method, grid)


def cpc_v2():
    net, context = encoder(strides=(2, 2), norm="none"), models.cpc_context(hidden=4)
    method = methods.cpc_v2(net, context, dim=4, steps=1, first=1, directions=2)
    each = views.altered_patches(magnitude=0.0, elastic=0.0, histogram=0.0)
    grid = views.overlapping_patches(
        view=view(), size=4, stride=4, window=None, each=each
    )
    return Toy(method, grid)


def recolouring():
    """Translates by two matrices over the colours of a pixel and of its neighbour."""

    def init(key, x):
        channels, keys = x.shape[-1], jax.random.split(key)
        first = jax.random.normal(keys[0], (2 * channels, 6))
        return {"first": first, "last": jax.random.normal(keys[1], (6, channels))}, {}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del train, key, order
        both = jnp.concatenate([x, jnp.roll(x, 1, axis=2)], axis=-1)
        inner = jnp.tanh(both @ params["first"])
        made = {"image": jnp.tanh(inner @ params["last"]), "pixels": x, "inner": inner}
        return made, stats

    return Net(init, apply, ("image", "pixels", "inner"))


def cut():
    """From pictures to other ones in other colours."""
    judge = models.patch_discriminator(width=2, layers=1, conv_impl="lax")
    method = methods.cut(
        recolouring(),
        judge,
        models.patch_heads(hidden=4, dim=4),
        taps=("pixels", "inner"),
        patches=8,
        momentum=0.5,
    )
    crop = views.fixed_crop(size=SIZE - 4, resize_to=SIZE)
    make = views.two_domains(first=crop, flipped=0.5)
    make = views.normalized(make, statistics="half")

    def beside(key, batch):
        return make(key, {**batch, "other": batch["image"][::-1, ..., ::-1]})

    return Toy(method, beside)


def over_frames(net):
    """A net of images as one of clips: each frame alone, then their mean."""

    def frames(x):
        return x.reshape(-1, *x.shape[2:])

    def init(key, clip):
        return net.init(key, frames(clip))

    def apply(params, stats, clip, **options):
        out, stats = net.apply(params, stats, frames(clip), **options)
        return {k: x.reshape(len(clip), -1, 8).mean(1) for k, x in out.items()}, stats

    return Net(init, apply, net.outputs)


def evolving():
    """Of the picture of a batch, which moves to the right, with a sound of its rows."""
    make = views.clips(size=8, frames=4, ahead=2, sound=(128.0, 64.0))

    def moving(key, batch):
        image, index = batch["image"], batch["index"]
        moved = [jnp.roll(image, t, axis=2) for t in range(6)]
        flow = jnp.ones((*image.shape[:1], 6, *image.shape[1:3], 2), jnp.float16)
        rows = jnp.stack([x[:, :, :4].mean(axis=3) for x in moved], axis=1)
        sound = rows[:, :, ::8].reshape(len(image), 12, 4)
        video = jnp.stack(moved, axis=1)
        clip = {"video": video, "flow": flow, "sound": sound}
        return make(key, {**batch, **clip, "has_sound": index % 4 > 0})

    net = encoder(output=("pooled",))
    method = methods.evolving(
        over_frames(net),
        flow=over_frames(net),
        grey=over_frames(net),
        sound=net,
        decoder=models.clip_decoder(width=4, stages=1),
        depths=("pooled",),
        hidden=4,
    )
    return Toy(method, moving)


def curl():
    """Of steps whose next picture is the picture moved as the action says."""
    make = views.frame_crops(size=12)

    def played(key, batch):
        action = jnp.sin(jnp.stack([batch["index"], 3 * batch["index"]], axis=1))
        step = {"next_image": jnp.roll(batch["image"], 2, axis=1), "action": action}
        step |= {"reward": action[:, 0], "not_done": jnp.float32(action[:, 1] > -0.5)}
        return make(key, {**batch, **step})

    net = models.curl_encoder(width=4, layers=2, dim=None)
    return Toy(methods.curl(net, actions=2, dim=4, hidden=8), played)


def siglip():
    size = {"width": 8, "depth": 1, "heads": 2}
    image = models.vit(**size, patch_size=8, class_token=False, pool="map")
    text = models.siglip_text(**size, dim=8, words=10, context=4)
    return Toy(methods.siglip(image, text), captions(10))


def exemplar():
    make = views.exemplars(patch=8, scales=2)
    return Toy(methods.exemplar(encoder(), examples=3 * BATCH), make)


def classifier():
    method = methods.classifier(encoder(), classes=CLASSES, head_norm=True)
    return Toy(method, one_view())


def debiased():
    return Toy(methods.debiased(encoder(), hidden=8, dim=4), two_views())


def distillation():
    method = methods.distillation(encoder(), encoder(), classes=CLASSES)
    return Toy(method, one_view())


def hard_negatives():
    beta = schedules.ramp(start=2.0, end=0.0, steps=2)
    return Toy(
        methods.hard_negatives(encoder(), hidden=8, dim=4, beta=beta), two_views()
    )


def flatnce():
    return Toy(methods.flatnce(encoder(), hidden=8, dim=4), two_views())


def align_uniform():
    return Toy(methods.align_uniform(encoder(), dim=4), two_views())


def nce():
    return Toy(methods.nce(encoder(), hidden=8, dim=4), two_views())


def supcon():
    return Toy(methods.supcon(encoder(), hidden=8, dim=4), two_views())


_METHODS = (
    align_uniform,
    barlow_twins,
    beit,
    byol,
    classifier,
    clip,
    cmc,
    colorization,
    context_prediction,
    convmae,
    counting,
    cpc,
    cpc_v2,
    curl,
    cut,
    debiased,
    deepmim,
    dino,
    distillation,
    dvae,
    evolving,
    exemplar,
    flatnce,
    hard_negatives,
    ibot,
    instdisc,
    invaspread,
    jigsaw,
    jigsaw_clustering,
    localmim,
    mae,
    moco,
    moco_backgrounds,
    moco_v3,
    nce,
    nnclr,
    pixcontrast,
    pixpro,
    rotation,
    siglip,
    simclr,
    simclr_memory,
    simmim,
    simsiam,
    supcon,
    swav,
    vicreg,
)
TOYS = {f.__name__: f for f in _METHODS}


def batch(step: int = 0) -> dict[str, np.ndarray]:
    """Smooth random pictures: colour ramps, so that views of one are alike."""
    draw = np.random.default_rng(step)
    ramp = np.linspace(-1, 1, SIZE)
    a, b, c = draw.uniform(-100, 100, (3, BATCH, 1, 1, 3))
    image = 128 + a * ramp[:, None, None] + b * ramp[None, :, None] + c
    return {
        "image": np.clip(image, 0, 255).astype(np.uint8),
        "label": draw.integers(0, CLASSES, BATCH).astype(np.int32),
        "index": np.arange(step * BATCH, (step + 1) * BATCH, dtype=np.int32),
    }
