"""docs/first_project.md, by a newcomer who has nothing but that page and the wheel."""

import csv
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.fresh import ROOT, Place, build, done

PAGE = ROOT / "docs" / "first_project.md"
BLOCK = re.compile(r"^```(python file=|sh)(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text())
FILES = {name: code for kind, name, code in BLOCKS if kind != "sh"}
SHAPES = ("disc", "frame", "cross")
EACH = 40


def draw(folder):
    """Images of several sizes in a folder for each class, one of them there twice."""
    rng = np.random.default_rng(0)
    for name in SHAPES:
        (folder / name).mkdir(parents=True)
        for number in range(EACH):
            wide, high = rng.integers(56, 96, 2)
            noise = rng.integers(0, 120, (high, wide, 3), np.uint8)
            image = Image.fromarray(noise)
            pen, colour = ImageDraw.Draw(image), tuple(rng.integers(120, 256, 3))
            side = int(rng.integers(24, 44))
            left, top = (int(rng.integers(2, x - side)) for x in (wide, high))
            box = (left, top, left + side, top + side)
            if name == "disc":
                pen.ellipse(box, fill=colour)
            elif name == "frame":
                pen.rectangle(box, outline=colour, width=5)
            else:
                pen.line(box, fill=colour, width=6)
                pen.line((box[0], box[3], box[2], box[1]), fill=colour, width=6)
            image.save(folder / name / f"{number:02d}.png")
    Image.open(folder / "disc" / "00.png").save(folder / "disc" / "again.png")


@pytest.mark.slow
def test_a_newcomer_gets_through_by_the_page_alone(tmp_path):
    """A fresh environment, own images, own loss; every command as the page has it."""
    place, project, said = Place(tmp_path), tmp_path / "project", {}
    draw(project / "pets")
    for kind, name, code in BLOCKS:
        if kind != "sh":
            (project / name).write_text(code)
            continue
        for command in code.replace("\\\n", " ").strip().splitlines():
            if extra := re.fullmatch(r"pip install 'sslax(\[\w+\])'", command):
                place.install(build(tmp_path), extra[1])
            else:
                said[command] = place.run(command, cwd=project)
    check(project, " ".join(said), said["python use.py"])


def check(project, commands, last):
    """What the commands wrote is there, and is what the page says."""
    for name in ("show-views", "pretrain", "embed", "neighbours"):
        assert f"sslax {name} " in commands
    with Image.open(project / "views.png") as views:
        assert min(views.size) >= 48
    rows = (project / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(row)["ssl/loss"] for row in rows if "ssl/loss" in row]
    assert np.mean(losses[-2:]) < losses[0]
    results = json.loads((project / "run" / "evaluation.json").read_text())["results"]
    assert 40 < results["network"]["knn"] <= 100
    assert results.keys() == {"network", "random network", "raw pixels"}
    assert "</html>" in (project / "run" / "report.html").read_text()
    images = len(SHAPES) * EACH + 1
    with (project / "features.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == images
    assert {row["file"].split("/")[0] for row in table} == set(SHAPES)
    found = json.loads((project / "alike.json").read_text())
    assert found["listed pairs"][0] == ["disc/00.png", "disc/again.png", 1.0]
    for name in ("features.onnx", "run.safetensors"):
        assert (project / name).stat().st_size > 10_000
    assert float(re.search(r"cosine with its row (\S+)", last)[1]) > 0.95


def test_the_loss_of_the_page_is_what_it_says():
    names: dict = {"__name__": "my_loss"}
    exec(FILES["my_loss.py"], names)
    z1, z2 = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in (z1, z2)]
    total = 0.0
    for i in range(5):
        others = [unit[0][i] @ unit[1][j] for j in range(5) if j != i]
        gap = 0.2 + max(others) - unit[0][i] @ unit[1][i]
        total += np.log1p(np.exp(gap)) / 5
    np.testing.assert_allclose(names["hardest"](z1, z2, margin=0.2), total, rtol=1e-5)


def test_the_config_of_the_page_is_a_run(tmp_path):
    """What can be known of it without training, in an environment that is there."""
    for name, code in FILES.items():
        (tmp_path / name).write_text(code)
    draw(tmp_path / "pets")
    code = (
        "from sslax.commands.overrides import load_config;"
        "from sslax.train.run import build_run;"
        "given = [('data.train', 'folder:pets[:80%]')];"
        "config = load_config('my_config.py', given, follow=True);"
        "print(config['examples'], config['steps']);"
        "print(sorted(build_run(config).program.shapes.params))"
    )
    env = {"HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    said = done([sys.executable, "-c", code], cwd=tmp_path, env=env)
    assert "97 30\n" in said
    assert "['encoder', 'projector']" in said
