"""Translations of images are written, a file for each."""

import numpy as np
import pytest
from PIL import Image

from sslax import data
from sslax.core import Aux, Method, Objective, State
from sslax.results import translating
from sslax.train.run import build_run
from tests.train.test_loop import tiny


def turned_colours() -> Method:
    """Translates into the opposite colours, of views in [-1, 1]."""

    def loss(params, extra, batch, *, key, step):
        return params["w"] * 0.0, Aux(extra)

    def translation(params, extra, batch, *, key):
        return params["w"] * batch["views"][0]

    return Method(
        init=lambda key, batch: ({"w": np.float32(-1)}, {}),
        objectives={"ssl": Objective(loss=loss)},
        outputs={
            "features": lambda *given, key: translation(*given, key=key)[:, 0, 0],
            "translation": translation,
        },
    )


def opened(monkeypatch, name):
    config = tiny()
    config["normalize"] = "half"
    if name is not None:
        config["method"] = {"name": name}
    run = build_run(config)
    state = State(step=np.int32(1), params={"w": np.float32(-1)}, extra={}, opt={})
    monkeypatch.setattr(translating, "restore_run", lambda workdir, step: (run, state))


def test_files_have_the_names_of_their_own(monkeypatch, tmp_path):
    opened(monkeypatch, f"{__name__}:turned_colours")
    images = {}
    for i, name in enumerate(("a/1.png", "a/1.bmp", "b/2.png")):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        images[name] = np.full((16, 16, 3), 40 * i, np.uint8)
        Image.fromarray(images[name]).save(path)
    form, out = f"folder:{tmp_path / 'in'}", tmp_path / "out"
    files = translating.translate_run("run", str(out), name=form)
    assert [f.removeprefix(f"{out}/") for f in files] == [
        "a/1.png",
        "000001.png",
        "b/2.png",
    ]
    found = {str(p.relative_to(out)): p for p in out.rglob("*.png")}
    assert sorted(found) == ["000001.png", "a/1.png", "b/2.png"]
    order = data.folder(path=str(tmp_path / "in")).files
    second = {f: images[f] for f in order if f.startswith("a/")}
    made = [np.asarray(Image.open(found[n])) for n in ("a/1.png", "000001.png")]
    for image, wanted in zip(made, second.values(), strict=True):
        np.testing.assert_allclose(image, 255 - wanted, atol=1)


def test_a_method_that_translates_nothing_says_what_it_has(monkeypatch, tmp_path):
    opened(monkeypatch, None)
    with pytest.raises(ValueError, match="simclr makes no translations; its outputs"):
        translating.translate_run("run", str(tmp_path))
