# %% [markdown]
# # A loss of your own
# A loss is a function of arrays. Here is one that the library does not have for two
# views of images: SigLIP's sigmoid, asked of every pair of a batch whether it is of
# one image. It is written, checked, put into a method and trained.
# [add_a_method](../add_a_method.md) goes further: configs, checkpoints, the library
# itself.

# %%
STEPS = 150
IMAGES = 2000  # of each split, to judge by

# %% [markdown]
# ## The loss
# Hyper-parameters are keywords. Where the gradient stops is not its affair but that
# of the method.

# %%
import jax
import jax.numpy as jnp

from sslax import losses


def pair_sigmoid(z1, z2, *, scale=10.0, bias=-5.0):
    """Each of the b x b pairs by itself: one image or two?"""
    scores = scale * losses.unit(z1) @ losses.unit(z2).T + bias
    one_image = 2.0 * jnp.eye(len(z1)) - 1.0
    return -jax.nn.log_sigmoid(one_image * scores).sum() / len(z1)


# %% [markdown]
# ## Checks before training
# Its value where it is known, its gradient where it is dangerous, and that it tells
# the right pairs from wrong ones.

# %%
import numpy as np

z = jnp.asarray(np.random.default_rng(0).normal(size=(16, 8)), jnp.float32)
same = jnp.ones((4, 8))
# All cosines are 1: one pair of a row is right, three are wrong.
expected = np.log1p(np.exp(-5.0)) + 3 * np.log1p(np.exp(5.0))
np.testing.assert_allclose(pair_sigmoid(same, same), expected, rtol=1e-5)
assert np.isfinite(jax.grad(pair_sigmoid)(jnp.zeros((4, 8)), same)).all()
print(
    f"right pairs {pair_sigmoid(z, z):.3f}, wrong pairs {pair_sigmoid(z, z[::-1]):.3f}"
)

# %% [markdown]
# ## The method
# A method is a value: how its parameters begin, what its loss is, and what can be
# read of it. `fold` puts both views of the whole batch, on all devices, through the
# network at once.

# %%
from sslax import models
from sslax.core import Aux, Method, Objective
from sslax.nets import chain, fold, readings, unfold


def paired(encoder, *, dim=64):
    net = chain(encoder=encoder, projector=models.mlp(hidden=128, dim=dim))

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {"stats": stats}

    def loss(params, extra, batch, *, key, step):
        out, stats = net.apply(
            params, extra["stats"], fold(batch["views"]), train=True, key=key
        )
        z1, z2 = unfold(out["projector"], 2)
        return pair_sigmoid(z1, z2), Aux({"stats": stats})

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss)},
        outputs=readings(net, "encoder", encoder),
    )


# %% [markdown]
# ## Training
# Views and the optimizer are values too. The key is the same at every step: each
# folds its number into it.

# %%
import functools

from sslax import data, optim, step, views

train, test = (data.fashion_mnist_sample(split=name) for name in ("train", "test"))
loader = data.loader(train, batch_size=128, seed=0)
method = paired(models.convnet(widths=(16, 32), strides=(2, 2), output="flat"))
crop = views.view(size=28, scale=(0.4, 1.0), jitter=(0.4, 0.4, 0.0, 0.0))
make, txs = views.two_views(first=crop), {"ssl": optim.adamw(learning_rate=2e-3)}
key = jax.random.key(0)

start = jax.jit(functools.partial(step.init_state, method, txs, make))
turn = jax.jit(functools.partial(step.train_step, method, txs, make))
first = state = start(loader.batch(0), key)
for number in range(STEPS):
    state, metrics = turn(state, loader.batch(number), key)
    if number % max(1, STEPS // 5) == 0:
        print(f"step {number:4d}  loss {float(metrics['ssl/loss']):.3f}")

# %% [markdown]
# ## Beside the network before training

# %%
from sslax import evaluate

look = views.one_view(view=views.center(size=28))


@jax.jit
def features(state, batch):
    seen = look(key, batch)
    return method.outputs["features"](state.params, state.extra, seen, key=key)


def knn(state):
    def embedded(source):
        part = data.part(of=source, stop=IMAGES)
        rows = [features(state, batch) for batch in data.batches(part, 100)]
        return np.concatenate(rows), data.read_labels(part)

    (x, y), (xt, yt) = embedded(train), embedded(test)
    return float(evaluate.accuracy(evaluate.knn(x, y, xt, classes=10, k=20), yt))


print(f"before {knn(first):.1f} %, after {knn(state):.1f} %")
