"""The encoder of a run, under torch's names."""

import chex
import jax
import numpy as np
import pytest

from sslax import convert
from sslax.commands.convert import export_weights
from sslax.train import checkpoints
from sslax.train.run import build_run
from sslax.train.workdir import open_workdir
from tests.train import tiny_config


def test_the_encoder_of_a_run_is_exported(tmp_path, rng):
    config = tiny_config.get_config()
    config.method.encoder = dict(name="resnet18", stem="cifar", width=0.0625)
    config = config.to_dict()
    workdir, out = str(tmp_path / "run"), tmp_path / "encoder.safetensors"
    open_workdir(workdir, config)
    # A state of random numbers is as good as a trained one, and needs no compilation.
    state = jax.tree.map(
        lambda leaf: jax.device_put(
            rng.normal(size=leaf.shape).astype(leaf.dtype), leaf.sharding
        ),
        build_run(config).program.shapes,
    )
    manager = checkpoints.open_checkpoints(workdir)
    checkpoints.save(manager, state, config, None)
    manager.close()
    export_weights(workdir, str(out), source="torch")
    params, stats, report = convert.from_torch(
        convert.read_tensors(out), model=config["method"]["encoder"], source="torch"
    )
    wanted = jax.device_get((state.params["encoder"], state.extra["stats"]["encoder"]))
    chex.assert_trees_all_equal((params, stats), wanted)
    assert report.prefix == ""
    assert np.ptp(params["conv1"]["kernel"]) > 1
    with pytest.raises(ValueError, match="holds no run"):
        export_weights(str(tmp_path), str(tmp_path / "x"), source="torch")
