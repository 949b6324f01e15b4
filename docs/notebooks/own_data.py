# %% [markdown]
# # Data of your own
# Images in folders, in arrays, of more than three channels, in two parts, with a
# broken file among them. All that is made here goes into the folder `mine`; put yours
# in its place.

# %%
STEPS = 40

# %%
from pathlib import Path

import numpy as np
from PIL import Image

from sslax import data

drawn = data.objects(length=120, size=48)
classes = drawn.class_names
for number in range(len(drawn)):
    example = drawn[number]
    file = Path("mine", classes[example["label"]], f"{number:03d}.png")
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(example["image"])).save(file)
print(sorted(path.name for path in Path("mine").iterdir()))

# %% [markdown]
# ## A folder
# The first folder on the way down is the class; a flat folder has none, and training
# needs none. On a command line it is `--config.data.train=folder:mine`.

# %%
whole = data.folder(path="mine")
print(len(whole), "images,", whole.num_classes, "classes")

# %% [markdown]
# A part is drawn with every class in proportion, and the same every time: the two
# below share no image. `folder:mine[:80%]` and `folder:mine[80%:]` are the short
# forms.

# %%
train, test = data.source("folder:mine[:80%]"), data.source("folder:mine[80%:]")
print(len(train), len(test))
print("test images of each class:", np.bincount(data.read_labels(test)))

# %% [markdown]
# ## A broken file
# It stops a run by its name. `on_error="skip"` takes the next good image in its place
# and counts it.

# %%
broken = Path("mine", classes[0], "broken.png")
broken.write_bytes(b"no picture")
loader = data.loader(
    data.folder(path="mine"), batch_size=32, canvas=48, on_error="skip"
)
seen = [
    loader.batch(number)["image"].shape for number in range(loader.steps_per_epoch + 1)
]
print(seen[0], "skipped:", loader.skipped)
broken.unlink()

# %% [markdown]
# ## Views
# Images of any sizes are put on a square canvas, and crops are cut out of the image
# there.

# %%
import jax

from sslax import views
from sslax.train.pictures import grid, pictures

loader = data.loader(train, batch_size=32, canvas=48, seed=0)
crop = views.view(size=48, scale=(0.3, 1.0), jitter=(0.4, 0.4, 0.4, 0.1), grayscale=0.2)
make = views.two_views(first=crop)
made = jax.device_get(jax.jit(make)(jax.random.key(0), loader.batch(0)))
Image.fromarray(grid(pictures(made, images=4)))

# %% [markdown]
# ## Training on them

# %%
import functools

from sslax import methods, models, optim, step

method = methods.simclr(models.convnet(widths=(8, 16)), hidden=64, dim=32)
txs, key = {"ssl": optim.adamw(learning_rate=2e-3)}, jax.random.key(0)
state = jax.jit(functools.partial(step.init_state, method, txs, make))(
    loader.batch(0), key
)
turn = jax.jit(functools.partial(step.train_step, method, txs, make))
for number in range(STEPS):
    state, metrics = turn(state, loader.batch(number), key)
print(f"loss {float(metrics['ssl/loss']):.3f} after {int(state.step)} steps")

# %% [markdown]
# The same by a command, with checkpoints, evaluation and report; the schedule follows
# the number of images:
#
# ```sh
# sslax pretrain --config=simclr:sample --config.data.train=folder:mine[:80%] \
#     --config.data.test=folder:mine[80%:] --config.data.canvas=48 --workdir=run
# ```
#
# ## Arrays, and more than three channels
# What is in memory is a source as it is. Six channels, 16 bits each:

# %%
rng = np.random.default_rng(0)
images = rng.integers(0, 2**16, size=(40, 24, 24, 6), dtype=np.uint16)
mine = data.arrays(images, labels=np.arange(40) % 4, class_names=("a", "b", "c", "d"))
look = jax.jit(views.one_view(view=views.view(size=16)))
view = look(key, data.loader(mine, batch_size=8).batch(0))["views"][0]
print(
    view.shape,
    view.dtype,
    f"between {float(view.min()):.2f} and {float(view.max()):.2f}",
)
