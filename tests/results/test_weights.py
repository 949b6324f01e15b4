"""Converted weights are evaluated, and embed, by the commands that read a run."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import calls, convert, data, views
from sslax.commands import main, options
from sslax.core import Net
from sslax.results import evaluation
from sslax.results import weights as module
from sslax.results.gallery import Shown

CALL = {"name": "vit", "width": 16, "depth": 1, "heads": 2, "patch_size": 4}


@pytest.fixture
def weights(tmp_path, rng):
    """For images of 8 pixels: those of 16 have other positions."""
    net = calls.build(CALL, Net)
    image = jax.ShapeDtypeStruct((1, 8, 8, 3), "float32")
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)
    params, stats = jax.tree.map(
        lambda x: rng.normal(size=x.shape).astype(x.dtype), shapes
    )
    convert.save(tmp_path / "vit", params, stats, model=CALL, image_size=8)
    return str(tmp_path / "vit"), net, params


def told(command, *arguments):
    parsed = options.parse(command, arguments)
    parsed.say = lambda text: None
    return main.guarded(command, parsed)


def test_features_of_converted_weights(weights, tmp_path):
    folder, net, params = weights
    out, shapes = tmp_path / "x.npz", "synthetic/train[:11]"
    given = ("--workdir", folder, "--image_size=16", "--normalize=half")
    assert told("embed", *given, f"--data={shapes}", f"--out={out}") == 0
    source = data.source(shapes)
    images = jnp.stack([source[i]["image"] for i in range(11)])
    images = views.center(size=16)(None, images, None)
    wanted = jax.jit(net.apply)(params, {}, (images - 0.5) / 0.5)[0]
    np.testing.assert_allclose(np.load(out)["features"], wanted, rtol=1e-4, atol=1e-4)


def test_an_evaluation_of_converted_weights(weights, monkeypatch):
    """In the folder of the weights, beside the random network; in short here."""
    folder, _, _ = weights
    monkeypatch.setattr(module, "TASKS", [{"name": "knn", "k": 3}])
    monkeypatch.setattr(evaluation, "gallery", lambda *_: Shown((), None, ()))
    drawn = ("--data=synthetic/train[:40]", "--test=synthetic/test[:16]")
    given = ("--workdir", folder, "--image_size=16", *drawn)
    assert told("evaluate", *given) == 0
    saved = json.loads((Path(folder) / "evaluation.json").read_text())
    assert saved["results"]["network"] != saved["results"]["random network"]
    assert 0 <= saved["results"]["network"]["knn"] <= 100
    assert "converted, step 0" in (Path(folder) / "report.html").read_text()


def test_what_is_of_weights_and_what_of_runs(weights, tmp_path, capsys):
    folder, _, _ = weights
    for command, given, message in (
        ("evaluate", ("--workdir", folder), "no data of their own; give --data="),
        ("evaluate", ("--workdir", folder, "--step=2", "--data=x"), "have no step"),
        ("evaluate", ("--workdir", str(tmp_path), "--data=x"), "--data is for conv"),
        (
            "embed",
            ("--workdir", str(tmp_path), "--normalize=half", "--out=x.npz"),
            "normalize is for converted weights",
        ),
        ("classify", ("--workdir", folder, "--labels=a,b", "x"), "weights and no run"),
    ):
        assert told(command, *given) == 2
        assert message in capsys.readouterr().err
