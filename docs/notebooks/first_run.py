# %% [markdown]
# # First run
# From images without labels to features, and a judgement of them: SimCLR on the
# bundled sample of Fashion-MNIST. What follows is, in Python, the command `sslax
# pretrain --config=simclr:sample --workdir=run`, which trains for twenty epochs; here
# it is cut short, so that it takes a minute on a laptop.

# %%
STEPS = 150

# %% [markdown]
# ## The config
# A config is plain calls: `{"name": "simclr", "temperature": 0.5}` is
# `methods.simclr(temperature=0.5)`. Pairs of a field and a text set any of them, as
# `--config.FIELD=VALUE` does.

# %%
from sslax.commands.overrides import load_config

config = load_config(
    "simclr:sample",
    [
        ("steps", str(STEPS)),
        ("warmup_epochs", "0"),
        ("log_every", "10"),
        ("evaluate.tasks", "({'name': 'knn'},)"),  # the whole protocol by default
    ],
)
print(config["method"])

# %% [markdown]
# ## What the loss sees
# Views are drawn inside the compiled step, for each image by itself. Look at them
# before you train: most mistakes can be seen here.

# %%
import jax
from PIL import Image

from sslax import calls, data
from sslax.kinds import Builder
from sslax.train.pictures import grid, pictures

source = data.source(config["data"]["train"])
batch = data.loader(source, batch_size=8, seed=0).batch(0)
views = jax.jit(calls.build(config["views"], Builder))
made = jax.device_get(views(jax.random.key(0), batch))
Image.fromarray(grid(pictures(made, images=4)))

# %% [markdown]
# ## Training
# Logs and checkpoints go to the folder `run`. The same call again goes on from the
# newest checkpoint, bit for bit.

# %%
from sslax.train.loop import pretrain

run, state = pretrain(config, "run")
print(f"step {int(state.step)}")

# %%
import json
from pathlib import Path

lines = [
    json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()
]
losses = [(line["step"], line["ssl/loss"]) for line in lines if "ssl/loss" in line]
for step, loss in losses[:: max(1, len(losses) // 5)]:
    print(f"step {step:4d}  loss {loss:.3f}")

# %% [markdown]
# ## What was learned
# A number says something beside two others: that of the pixels themselves, and that
# of the same network before training.

# %%
from sslax.results.evaluation import evaluate_run

results = evaluate_run(run, state, "run")
for row, numbers in results.items():
    print(f"{row:<15} kNN {numbers['knn']:.1f} %")

# %% [markdown]
# `run/report.html` shows the views, the curves, nearest neighbours and a map of the
# features, in one page without any link to elsewhere. `sslax embed --workdir=run
# --out=features.npz` writes the features, with the name of each file where there are
# files.
