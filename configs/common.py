"""What every config starts from. A config names calls; defaults stand in signatures."""

import ml_collections
from ml_collections import config_dict

from configs import recipes

IMAGENET_EXAMPLES = 1_281_167
CIFAR_EXAMPLES = 50_000
STL_EXAMPLES = 100_000
# Few-label probes read up to 100,000 images: three draws of them say enough.
IMAGENET_PROBES = dict(draws=3)


def pick(variant: str, choices: dict):
    """What a variant is called for, or an error that names the variants."""
    if variant not in choices:
        raise ValueError(f"no variant {variant!r}; the variants are {sorted(choices)}")
    return choices[variant]


def dtype(config):
    """What networks compute in: the field `dtype` of a run, wherever it is set later.

    Parameters, optimizer, statistics, averages and losses are float32 in any case.
    """
    return config.get_oneway_ref("dtype")


def base(*, examples: int, epochs: int, batch_size: int) -> ml_collections.ConfigDict:
    """The fields that all runs have; steps follow from epochs and batch size."""
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.examples = examples
    config.epochs = epochs
    config.batch_size = batch_size
    ref = config.get_oneway_ref  # one way: setting a field leaves its source alone
    config.steps_per_epoch = ref("examples") // ref("batch_size")
    config.steps = ref("epochs") * ref("steps_per_epoch")
    config.warmup_epochs = 0  # how many of the epochs; see warmup_cosine
    config.steps_per_call = 1  # steps in one dispatch; more for tiny models
    config.dtype = "float32"  # what the networks compute in, or "bfloat16"
    config.accumulate = 1  # micro-batches in which a batch passes the nets
    config.log_every = 100
    config.wandb = ""  # a project of Weights & Biases, which gets the numbers too
    # Runs to start from, see sslax.train.start: --config.start=RUN, or
    # RUN:extra/teacher/encoder=params/encoder. How their arrays are made to fit: what
    # stays as it starts, "size" to resize positions, what is copied to several places.
    config.start = ()
    config.fit = dict(without=(), resize="", spread=())
    config.mesh = dict(data=-1, fsdp=1)
    config.layout = dict(name="replicated")
    # Statistics that all views end with, in training and evaluation: a name such as
    # "imagenet", see sslax.augment.normalize; None for images in [0, 1].
    config.normalize = config_dict.placeholder(str)
    config.data = dict(
        # A call of sslax.data, or its short form, a string: "folder:/path".
        train=config_dict.placeholder(object),
        test=config_dict.placeholder(object),  # empty: that which belongs to `train`
        on_error="stop",  # or "skip": what to do with a broken image
        resize="pillow",  # or "opencv", faster: what shrinks images to a canvas
        canvas=config_dict.placeholder(
            int
        ),  # side of the square that images are put on
        workers=0,  # processes that decode
    )
    config.data.train = config.data.test = ""
    config.checkpoint = dict(every=ref("steps_per_epoch"), keep=3)
    config.evaluate = dict(
        every=0,  # steps between online evaluations; 0 is never
        final=True,  # the full evaluation and the report after the last step
        # The full evaluation: calls of sslax.evaluate.tasks.
        tasks=(recipes.classify("simclr", batch_size=256),),
        online=(dict(name="knn", k=20),),  # the first one's number tells the best
        online_examples=10_000,  # training images that online tasks learn from
        # Data they are judged on, as those above; empty: a part of `data.train` apart.
        held_out=config_dict.placeholder(object),
        batch_size=256,
        views=recipes.center(224),  # what features are read from
    )
    config.evaluate.held_out = ""
    return config


def imagenet(
    *,
    epochs: int,
    batch_size: int,
    probe: str = "simclr",
    examples=IMAGENET_EXAMPLES,
    half: bool = False,
) -> ml_collections.ConfigDict:
    """ImageNet from TFDS, decoded once to canvases; crops happen on the device.

    `probe` names the paper whose SGD probe reads the features. `half` is for recipes
    whose official runs were in half precision, float16 then: bfloat16 here, which needs
    no scaling of the loss.

    An average image of 500 x 375 pixels fits the canvas as it is. On one of 384 pixels,
    which costs half the bytes, twice as many crops would have to be enlarged.
    """
    config = base(examples=examples, epochs=epochs, batch_size=batch_size)
    config.dtype = "bfloat16" if half else "float32"
    config.data.update(
        train="imagenet2012/train", canvas=512, workers=16, on_error="stop"
    )
    config.evaluate.tasks = (recipes.classify(probe, **IMAGENET_PROBES),)
    config.normalize = "imagenet"
    config.evaluate.views = recipes.center(224, resize_to=256)
    return config


def cifar10(*, epochs: int, batch_size: int) -> ml_collections.ConfigDict:
    """CIFAR-10 from TFDS, in memory."""
    config = base(examples=CIFAR_EXAMPLES, epochs=epochs, batch_size=batch_size)
    config.data.train = "cifar10/train"
    config.normalize = "cifar10"
    config.evaluate.views = recipes.center(32)
    config.evaluate.every = 10 * config.get_oneway_ref("steps_per_epoch")
    config.evaluate.online_examples = 50_000
    config.checkpoint.every = 10 * config.get_oneway_ref("steps_per_epoch")
    return config


def stl10(*, epochs: int, batch_size: int) -> ml_collections.ConfigDict:
    """The unlabelled images of STL-10 from TFDS, in memory.

    Papers train on the 5,000 labelled ones as well. Those, and the test images, are
    what a probe of a run reads: configs/finetune.py with --config.start.
    """
    config = base(examples=STL_EXAMPLES, epochs=epochs, batch_size=batch_size)
    config.data.train = "stl10/unlabelled"
    config.normalize = "stl10"
    config.checkpoint.every = 10 * config.get_oneway_ref("steps_per_epoch")
    return config


def small_net(config, **changes) -> dict:
    """What two cores do fastest: three convolutions of stride two.

    The features are the last map itself, since garments are centred and where things
    are tells them apart.
    """
    shape = dict(name="convnet", widths=(32, 64, 128), strides=(2, 2, 2), output="flat")
    return {**shape, "dtype": dtype(config), **changes}


def sample(*, epochs: int = 20, batch_size: int = 128) -> ml_collections.ConfigDict:
    """The bundled sample of Fashion-MNIST: minutes on a laptop."""
    config = base(examples=10_000, epochs=epochs, batch_size=batch_size)
    config.data.train = "fashion_mnist_sample/train"
    config.normalize = "fashion_mnist"
    config.log_every = 50
    config.evaluate.views = recipes.center(28)
    return config


def sample_optimizer(config, *, learning_rate: float = 4e-3) -> dict:
    """AdamW for small nets. Of 2e-3, 4e-3 and 8e-3 this rate read best on held-out
    training images, for SimCLR, BYOL and MoCo (experiments/learning.py --held_out).
    """
    return dict(
        name="adamw",
        learning_rate=learning_rate,
        weight_decay=1e-4,
        schedule=warmup_cosine(config, warmup_epochs=1),
    )


def mae_adamw(config, rate, *, warmup_epochs: int, exclude="rank_one", **kwargs):
    """MAE's optimizer and schedule, which its relatives took over."""
    return dict(
        name="adamw",
        learning_rate=rate,
        b1=0.9,
        b2=0.95,
        weight_decay=0.05,
        exclude=exclude,
        schedule=warmup_cosine(config, warmup_epochs=warmup_epochs, **kwargs),
    )


def drawn(*, epochs: int, batch_size: int = 64) -> ml_collections.ConfigDict:
    """Drawn objects with their exact masks, for methods of colours or places."""
    config = base(examples=1024, epochs=epochs, batch_size=batch_size)
    config.data.train = "objects/train"
    config.log_every = 20
    config.evaluate.views = recipes.center(64)
    classify = recipes.classify("simclr", batch_size=256)
    config.evaluate.tasks = (classify, dict(name="segment"), dict(name="correspond"))
    return config


def pairs(
    *, examples: int, epochs: int, batch_size: int, side: int = 224
) -> ml_collections.ConfigDict:
    """Images and their captions; drawn ones stand for them, to plan."""
    config = base(examples=examples, epochs=epochs, batch_size=batch_size)
    config.dtype = "bfloat16"
    config.data.train = dict(name="objects", size=side + 32, length=65_536)
    config.data.tokenizer = dict(name="byte_pairs", words=49_408, context=77, cut=True)
    config.data.workers = 16
    config.normalize = "clip"
    config.views = recipes.upright(side)
    config.evaluate.views = recipes.center(side, resize_to=side)
    config.evaluate.tasks = READ_PAIRS
    return config


def told() -> ml_collections.ConfigDict:
    """Drawn objects and their captions, for methods of images and texts."""
    config = drawn(epochs=20, batch_size=128)
    config.data.train = dict(name="objects", length=4096)
    config.examples = 4096
    config.data.tokenizer = dict(name="byte_pairs", words=640, context=24)
    config.views = recipes.upright(64)
    config.evaluate.tasks = (
        dict(name="zero_shot", templates=("a {}", "a large {}", "a small {}")),
        dict(name="retrieve", examples=1000),
        recipes.classify("simclr", batch_size=256),
    )
    return config


# Sentences of the paper's authors which do as well as their eighty.
TEMPLATES = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
READ_PAIRS = (
    dict(name="zero_shot", templates=TEMPLATES),
    dict(name="retrieve", examples=5000),
)


def text_tower(config, *, name: str = "clip_text", **size) -> dict:
    """A transformer of texts, for the vocabulary and the context of the run."""
    ref = config.data.tokenizer.get_oneway_ref
    given = dict(words=ref("words"), context=ref("context"), dtype=dtype(config))
    return dict(name=name, **given, **size)


def small_towers(config) -> dict:
    """A convolutional net and a small transformer, which two cores train in minutes."""
    return dict(
        encoder=dict(
            name="convnet",
            widths=(32, 64, 128, 128),
            strides=(2, 2, 2, 2),
            output="flat",
            dtype=dtype(config),
        ),
        projector=dict(name="linear", dim=64, bias=False, dtype=dtype(config)),
        text=text_tower(config, dim=64, width=64, depth=2, heads=2),
    )


def warmup_cosine(config, *, warmup_epochs: int, **kwargs) -> dict:
    """The call of a warm-up and a cosine over the whole run.

    The length of the warm-up is a field of its own, `config.warmup_epochs`, so that a
    short run can be given a short one.
    """
    config.warmup_epochs = warmup_epochs
    ref = config.get_oneway_ref  # one way: setting a field leaves its source alone
    return dict(
        name="warmup_cosine",
        steps=ref("steps"),
        warmup=ref("warmup_epochs") * ref("steps_per_epoch"),
        **kwargs,
    )


def moving(config, *, start: float, end: float) -> dict:
    """Half a cosine over the run: the momentum of a teacher, the weight decay."""
    steps = config.get_oneway_ref("steps")
    return dict(name="cosine", start=start, end=end, steps=steps)


def warming(config, *, epochs: int, delay: int = 0) -> dict:
    """The temperature of DINO's teacher; the last of these epochs has the end already.

    `delay` epochs go before.
    """
    line = dict(name="ramp", start=0.04, end=0.07, steps=epochs - 1, delay=delay)
    return dict(
        name="by_epoch",
        schedule=line,
        steps_per_epoch=config.get_oneway_ref("steps_per_epoch"),
    )


def resting(config, optimizer: dict, *, clip: float | None = 3.0) -> dict:
    """Gradients are cut by tensor; the last layer rests in the first epoch."""
    tx = dict(
        name="frozen",
        optimizer=optimizer,
        match=("prototypes",),
        steps=config.get_oneway_ref("steps_per_epoch"),
    )
    return tx if clip is None else dict(name="clipped", optimizer=tx, norm=clip)


def cosine_by_epoch(config) -> dict:
    """A cosine over the whole run whose rate is set once an epoch."""
    ref = config.get_oneway_ref
    return dict(
        name="by_epoch",
        schedule=dict(name="warmup_cosine", steps=ref("epochs")),
        steps_per_epoch=ref("steps_per_epoch"),
    )


def solo_lars(config, base_rate: float, *, weight_decay: float) -> dict:
    """solo-learn's LARS of its CIFAR recipes: its rates are in units of their own."""
    return dict(
        name="larc",
        learning_rate=scaled(config, base_rate),
        trust=0.02,
        clip=True,
        weight_decay=weight_decay,
        exclude="rank_one",
        schedule=warmup_cosine(config, warmup_epochs=10),
    )


def scaled(config, base_rate: float, *, per: int = 256):
    """A learning rate that scales with the batch: base x batch / 256."""
    return base_rate * config.get_oneway_ref("batch_size") / per
