"""A run that breaks keeps the step that did it, to be done again anywhere."""

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from sslax.commands import main, options
from sslax.train.broken_step import replay_broken_step
from sslax.train.loop import pretrain
from tests.train.test_loop import tiny

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("loop")


def breaking(at, **changes):
    config = tiny(steps=8, **{"evaluate.every": 0, **changes})
    name, encoder = "tests.train.breaking:breaking", "tests.train.breaking:flat"
    config["method"] = dict(name=name, encoder=dict(name=encoder), at=at)
    config["views"] = config["evaluate"]["views"]  # of few operations, as all here
    return config


def replayed(folder, capsys):
    found = options.parse("replay", [str(folder)])
    found.say = lambda words: None
    assert main.guarded("replay", found) == 0
    return capsys.readouterr().out


def arrays(folder):
    return ocp.StandardCheckpointHandler().restore(folder)


def test_a_step_of_eight_devices_is_done_again_on_one(tmp_path, capsys):
    """The loss is looked at after step 8; calls are of two steps; step 6 breaks."""
    changes = {"mesh.fsdp": 2, "steps_per_call": 2, "log_every": 8}
    config = breaking(6, **changes, **{"checkpoint.every": 4})
    config["layout"] = dict(name="fsdp", min_size=8)
    said = r"at step 8; .* is step 4 in .* finite: steps 5 to 6, .* `sslax replay "
    with pytest.raises(FloatingPointError, match=said):
        pretrain(config, str(tmp_path))
    kept = arrays(tmp_path / "not_finite" / "step")
    good = arrays(tmp_path / "checkpoints" / "4" / "state")
    jax.tree.map(np.testing.assert_array_equal, kept["state"], good)
    said = replayed(tmp_path, capsys)
    first, line, *rest = said.splitlines()[1:]
    assert said.startswith(f"steps 5 to 6 of {tmp_path}, one operation at a time on c")
    assert first == "nan from sqrt in turn 2/ssl/spread"
    assert "tests/train/breaking.py:" in line
    assert rest[-1].startswith("not finite after it: ssl/grad_norm, ssl/loss, params/")
    assert len(rest) == 3  # one beginning: what it gives, takes, and what follows


def test_a_folder_that_has_kept_nothing_says_so(tmp_path):
    with pytest.raises(ValueError, match="has kept no step: no loss of it was nan"):
        replay_broken_step(str(tmp_path))
