"""Ten methods of unlike state at the size of a test; none learns anything.

Variants: `moco` (a queue and a teacher), `instdisc` (a memory bank), `cmc` (two banks),
`dino` (a centre, several schedules), `swav` (prototypes, a queue from an epoch on),
`tokenizer` and `beit` (which keeps a frozen tokenizer of that run), `mae` (masks),
`curl` (a replay buffer, four optimizers), `cut` (a generator against a discriminator),
`clip` (captions drawn afresh, a vocabulary beside the run).
"""

from configs import common, recipes

METHODS = (
    *("moco", "instdisc", "cmc", "dino", "swav"),
    *("mae", "beit", "curl", "cut", "clip"),
)
SIDE = 16
_NET = dict(name="convnet", widths=(4, 8), strides=(2, 2))
_WORDS = 16


def get_config(variant: str = "moco"):
    """A run of seconds."""
    made = {
        "moco": _moco,
        "instdisc": _instdisc,
        "cmc": _cmc,
        "dino": _dino,
        "swav": _swav,
        "mae": _mae,
        "tokenizer": _tokenizer,
        "beit": _beit,
        "curl": _curl,
        "cut": _cut,
        "clip": _clip,
    }
    return common.pick(variant, made)()


def _base(train: dict | None = None, *, batch_size: int = 16, examples: int = 64):
    config = common.base(examples=examples, epochs=15, batch_size=batch_size)
    config.data.train = train or dict(name="synthetic", size=SIDE, length=examples)
    config.log_every = 1
    config.checkpoint.every = 5
    config.evaluate.final = False
    config.evaluate.batch_size = 16
    config.evaluate.views = recipes.center(SIDE)
    config.views = dict(name="two_views", first=recipes.crop(SIDE))
    config.optimizer = dict(
        name="adamw",
        learning_rate=1e-3,
        schedule=common.warmup_cosine(config, warmup_epochs=1),
    )
    return config


def _moco():
    config = _base()
    config.method = dict(
        name="moco", encoder=_NET, hidden=8, dim=4, queue_size=48, momentum=0.9
    )
    return config


def _instdisc():
    config = _base()
    config.views = dict(name="one_view", view=recipes.instance(SIDE))
    config.method = dict(name="instdisc", encoder=_NET, examples=64, dim=4, negatives=8)
    return config


def _cmc():
    config = _base()
    config.views = recipes.channels(SIDE)
    config.evaluate.views = recipes.channels(SIDE, evaluated=dict(resize_to=SIDE))
    config.method = dict(
        name="cmc", encoders=(_NET, _NET), examples=64, dim=4, negatives=8
    )
    return config


def _dino():
    config = _base()
    config.views = recipes.sample_crops(SIDE, small=8, count=2)
    config.method = dict(
        name="dino",
        encoder=_NET,
        dim=8,
        hidden=8,
        bottleneck=4,
        momentum=common.moving(config, start=0.9, end=1.0),
        teacher_temperature=common.warming(config, epochs=5),
    )
    config.optimizer = common.resting(config, config.optimizer.to_dict())
    return config


def _swav():
    config = _base()
    config.views = recipes.sample_crops(SIDE, small=8, count=2)
    config.method = dict(
        name="swav",
        encoder=_NET,
        hidden=8,
        dim=4,
        prototypes=6,
        queue_size=32,
        queue_start=20,
    )
    return config


def _mae():
    config = _base()
    config.views = recipes.masked(SIDE, recipes.hidden(4))
    config.method = dict(
        name="mae",
        encoder=dict(name="mae_encoder", width=8, depth=1, heads=2, patch_size=4),
        decoder=dict(name="mae_decoder", width=8, depth=1, heads=2, patch_size=4),
        patch_size=4,
    )
    return config


def _tokenizer():
    config = _base()
    config.views = dict(name="one_view", view=recipes.crop(SIDE))
    config.method = dict(
        name="dvae",
        encoder=dict(name="dvae_encoder", words=_WORDS, width=4, depth=2),
        decoder=dict(name="dvae_decoder", code_dim=4, channels=6, width=4, depth=2),
        temperature=0.9,
    )
    return config


def _beit():
    config, nets = _base(), _tokenizer().method
    view = recipes.crop(SIDE)
    mask = dict(name="hide_blocks", patch_size=4, count=6, least=2)
    config.views = dict(name="masked", view=view, rendering=view, mask=mask)
    config.method = dict(
        name="beit",
        encoder=dict(
            name="vit",
            width=8,
            depth=1,
            heads=2,
            patch_size=4,
            mask_token=True,
            init="beit",
            output="tokens",
        ),
        tokenizer=nets.encoder.to_dict(),
        decoder=nets.decoder.to_dict(),
        patch_size=4,
        words=_WORDS,
    )
    return config


def _curl():
    environment = dict(name="swing_up", size=SIDE, frames=2, repeat=100)
    train = dict(
        name="sslax.environments:transitions", environment=environment, length=16
    )
    config = _base(train, batch_size=8, examples=16)
    config.steps = 60
    config.warmup_epochs = 0
    config.feed = dict(name="replay", environment=environment, capacity=60, start=25)
    config.evaluate.views = recipes.center(14, resize_to=SIDE)
    config.views = dict(name="frame_crops", size=14)
    encoder = dict(name="curl_encoder", width=6, layers=1, dim=None)
    config.method = dict(name="curl", encoder=encoder, actions=1, dim=4, hidden=8)
    config.optimizer = dict(name="adam", learning_rate=1e-3)
    return config


def _cut():
    day, night = (
        dict(name="lit_shapes", look=look, size=SIDE, length=32, seed=seed)
        for look, seed in (("day", 0), ("night", 1))
    )
    train = dict(name="unpaired", first=day, second=night)
    config = _base(train, batch_size=2, examples=32)
    config.epochs, config.normalize = 4, "half"
    config.views = dict(name="two_domains", first=recipes.crop(SIDE))
    taps = ("padded", "down1", "block1")
    config.method = dict(
        name="cut",
        generator=dict(
            name="resnet_generator", width=4, blocks=1, output=("image", *taps)
        ),
        discriminator=dict(name="patch_discriminator", width=4, layers=1),
        heads=dict(name="patch_heads"),
        taps=taps,
        patches=8,
        momentum=0.9,
    )
    config.optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5)
    return config


def _clip():
    config = _base(dict(name="objects", size=SIDE, length=64))
    config.data.tokenizer = dict(name="byte_pairs", words=520, context=24, cut=True)
    config.views = recipes.upright(SIDE)
    config.method = dict(
        name="clip",
        encoder=_NET,
        projector=dict(name="linear", dim=8, bias=False),
        text=common.text_tower(config, dim=8, width=8, depth=1, heads=2),
    )
    return config
