"""Layers of transformers: what is read, and the command from runs to a page."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import calls, convert, models
from sslax.analyse.layers import Transformer, depth_of, outputs_of, read_layers
from sslax.analyse.run import analyse_runs
from sslax.commands import main, options
from sslax.core import Net, State
from sslax.train import checkpoints
from tests.train import tiny_config

IMAGES = np.random.default_rng(0).random((6, 16, 16, 3), np.float32)
SMALL = {"width": 16, "depth": 2, "heads": 2, "patch_size": 4}
NETS = {
    "vit": (models.vit, SMALL, 2, (4, 4)),
    "scanned": (models.vit, {**SMALL, "scan": True}, 2, (4, 4)),
    "swin": (
        models.swin,
        {"width": 8, "depths": (1, 1), "heads": (2, 2)}
        | {"window_size": 4, "patch_size": 2},
        2,
        (4, 4),
    ),
}


def made(name):
    factory, given, depth, _ = NETS[name]
    net = factory(**given, output=outputs_of(depth))
    params, stats = jax.jit(net.init)(jax.random.key(0), IMAGES)
    look = lambda key, batch: {"views": (batch["image"],)}  # noqa: E731
    return Transformer(name, net, params, stats, look, given["patch_size"], depth)


@pytest.mark.parametrize("name", NETS)
def test_every_layer_is_read_by_head(name):
    """Attention by hand: distance between patches, class token dropped."""
    model, (*_, grid) = made(name), NETS[name]
    assert depth_of(model.params) == model.depth
    batches = [{"image": IMAGES[:4]}, {"image": IMAGES[4:]}]
    layers = read_layers(model, batches)
    out, _ = jax.jit(model.net.apply)(model.params, model.stats, IMAGES)
    weights = np.asarray(out["attention0"], np.float64)
    if weights.ndim == 5:
        weights = weights.reshape(-1, *weights.shape[2:])
    else:
        weights = weights[:, :, 1:, 1:]
        weights = weights / weights.sum(-1, keepdims=True)
    place = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), -1)
    place = model.patch_size * place.reshape(-1, 2)
    distances = np.linalg.norm(place[:, None] - place[None], axis=-1)
    want = np.einsum("bhqk,qk->h", weights, distances) / (len(weights) * len(place))
    np.testing.assert_allclose(layers.measures["distance"][0], want, rtol=1e-5)
    entropy = -np.sum(weights * np.log(weights), -1).mean((0, 2))
    np.testing.assert_allclose(layers.measures["entropy"][0], entropy, rtol=1e-5)
    np.testing.assert_allclose(layers.even, distances.mean(), rtol=1e-6)
    block = np.asarray(out["block1"])
    pooled = block.reshape(6, -1, block.shape[-1])
    pooled = pooled if name == "swin" else pooled[:, 1:]
    np.testing.assert_allclose(layers.features[1], pooled.mean(1), rtol=1e-4, atol=1e-6)
    assert layers.divergence.shape == (2,)


def test_swin_measures_its_later_cells_in_pixels():
    layers = read_layers(made("swin"), [{"image": IMAGES}])
    first, last = (x.mean() for x in layers.measures["distance"])
    assert last / first == pytest.approx(2.0, rel=0.2)  # cells twice as large


def write_run(folder, call):
    """A run of SimCLR whose encoder is as it started."""
    config = tiny_config.get_config()
    config.method.encoder = call
    net = calls.build(call, Net)
    params, stats = jax.jit(net.init)(jax.random.key(0), IMAGES)
    extra = {"stats": {"encoder": stats}}
    manager = checkpoints.open_checkpoints(folder)
    state = State(jnp.int32(0), {"encoder": params}, extra, {})
    checkpoints.save(manager, state, {}, {})
    manager.wait_until_finished()
    manager.close()
    (folder / "config.json").write_text(config.to_json_best_effort())
    return str(folder)


@pytest.fixture
def run(tmp_path):
    """The folder of a run whose encoder is a small transformer."""
    return write_run(tmp_path / "simclr", {"name": "vit", **SMALL})


@pytest.fixture
def weights(tmp_path):
    """A folder of converted weights of a Swin transformer."""
    factory, given, *_ = NETS["swin"]
    params, stats = jax.jit(factory(**given).init)(jax.random.key(1), IMAGES)
    model = {"name": "swin", **given}
    convert.save(tmp_path / "swin", params, stats, model=model, image_size=16)
    return tmp_path / "swin"


def test_runs_and_weights_become_a_page_and_numbers(run, weights, tmp_path, capsys):
    page = tmp_path / "out" / "layers.html"
    given = ["--runs", run, str(weights), f"--out={page}", "--images=50"]
    found = options.parse("analyse", given)
    found.say = lambda words: None
    assert main.guarded("analyse", found) == 0
    assert capsys.readouterr().out.count("pixels far in the first of 2 layers") == 2
    numbers = json.loads(page.with_suffix(".json").read_text())
    assert list(numbers["runs"]) == ["simclr", "swin"]
    assert numbers["images"] == 50
    for one in numbers["runs"].values():
        assert np.isfinite(one["distance"]).all()
        assert len(one["linear"]) == len(one["divergence"]) == 2
    assert set(numbers["cka"]) == {"simclr | simclr", "simclr | swin", "swin | swin"}
    own = np.array(numbers["cka"]["simclr | simclr"])
    np.testing.assert_allclose(np.diag(own), 1.0, atol=1e-5)
    text = page.read_text()
    assert text.count("<svg") == 5 + 2 + 3  # curves, heads, similarities
    assert "src=" not in text


def test_mistakes_are_said(run, weights, tmp_path):
    page = str(tmp_path / "layers.html")
    with pytest.raises(ValueError, match=r"expected a name that ends in .html"):
        analyse_runs([run], "layers.json")
    with pytest.raises(ValueError, match="two runs are called 'simclr'"):
        analyse_runs([run, run], page)
    with pytest.raises(ValueError, match="has no data of its own; give --data"):
        analyse_runs([str(weights)], page)
    plain = write_run(tmp_path / "plain", {"name": "convnet", "widths": (4,)})
    with pytest.raises(ValueError, match="has no attention; give runs of transformers"):
        analyse_runs([plain], page)
