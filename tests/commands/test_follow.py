"""Own images need two flags: where they lie, and how many epochs."""

import json

import pytest

from sslax.commands.follow import CANVAS, follow_data
from sslax.train.loop import pretrain
from sslax.train.run import open_source
from tests.data.conftest import folder, picture  # noqa: F401
from tests.train import tiny_config


def given(**fields):
    """The config with fields set as on a command line."""
    config = tiny_config.get_config()
    config.update_from_flattened_dict(fields)
    follow_data(config, fields)
    return config


@pytest.fixture
def own(folder, picture):  # noqa: F811
    content = picture(16, 16, "png")
    files = {f"train/{c}/{i}.png": content for c in "ab" for i in range(20)}
    tests = {f"val/{c}/{i}.png": content for c in "ab" for i in range(5)}
    return folder({**files, **tests})


def test_the_schedule_follows_the_data(own):
    config = given(**{"data.train": f"folder:{own}", "epochs": 5})
    assert config.examples == 40
    assert config.steps == 5 * (40 // 16) == config.optimizer.schedule.steps
    assert config.data.canvas is None
    part = given(**{"data.train": f"folder:{own}/train[:50%]", "epochs": 5})
    assert part.examples == 20
    assert part.steps == 5
    # What belongs to the data is evaluated on.
    plain = json.loads(json.dumps(config.to_dict()))
    assert len(open_source(plain, "test")) == 10


def test_own_images_train_with_two_flags(own, tmp_path):
    config = given(**{"data.train": f"folder:{own}", "epochs": 1})
    config = json.loads(json.dumps(config.to_dict()))
    _, state = pretrain(config, str(tmp_path / "run"))
    assert int(state.step) == 2


def test_what_is_given_stays(own, tmp_path):
    assert given(epochs=5).examples == 64
    config = given(**{"data.train": f"folder:{own}", "examples": 48})
    assert config.examples == 48
    plain = json.loads(json.dumps(config.to_dict()))
    with pytest.raises(ValueError, match=r"48 examples.*--config\.examples=40"):
        pretrain(plain, str(tmp_path / "run"))


def test_images_that_differ_in_size_get_a_canvas(own, picture):  # noqa: F811
    (own / "train" / "a" / "0.png").write_bytes(picture(16, 20, "png"))
    config = given(**{"data.train": f"folder:{own}"})
    assert config.data.canvas == CANVAS
    chosen = given(**{"data.train": f"folder:{own}", "data.canvas": 32})
    assert chosen.data.canvas == 32
