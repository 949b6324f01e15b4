"""The benchmarks' talk with a process that has other packages."""

import sys
from pathlib import Path

import pytest

from experiments.benchmarks import accelerator, methods, step
from experiments.benchmarks.peers import Peers
from sslax.commands.overrides import load_config

ROOT = Path(__file__).parent.parent
NOISY = """
import os
print("a banner, before there is anybody to answer")
from experiments.benchmarks.peers import serve

def answer(question):
    print("a warning in the middle")
    os.write(1, b"compiled code prints without a new line")
    if question["n"] < 0:
        os._exit(3)
    return {"twice": 2 * question["n"]}

serve(answer)
"""


@pytest.fixture
def peers(tmp_path, monkeypatch):
    (tmp_path / "noisy_peers.py").write_text(NOISY)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    peers = Peers(sys.executable, "noisy_peers")
    yield peers
    peers.close()


def test_stray_lines_of_a_peer_are_no_answers(peers):
    assert peers.ask(n=2) == {"twice": 4}
    assert peers.ask(n=3) == {"twice": 6}


def test_a_peer_that_ends_is_named(peers):
    with pytest.raises(RuntimeError, match=r"noisy_peers ended with code 3 at .*-1"):
        peers.ask(n=-1)


def test_a_benchmark_asks_its_own_peers(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    peers = Peers(sys.executable, "experiments.benchmarks.augment_peers")
    # One task is enough: which packages this interpreter has decides the answer.
    assert isinstance(peers.ask(task="32"), list)
    peers.close()


def test_a_set_up_takes_the_place_of_the_networks_of_a_sample():
    convnet = {"name": "convnet", "widths": [4], "output": "flat", "bn_groups": 4}
    spec = {"name": "moco", "encoder": convnet, "dim": 8}
    made = methods.with_nets(spec, transformers=False)
    assert made == {**spec, "encoder": {**methods.RESNET, "bn_groups": 4}}
    both = {**convnet, "output": ["pooled", "map"]}
    made = methods.with_nets({"encoders": [both]}, transformers=False)
    assert made["encoders"][0]["output"] == ["pooled", "map"]
    bare = methods.with_nets(
        {"encoder": {**convnet, "norm": "none"}}, transformers=True
    )
    assert bare["encoder"]["name"] == "preact_resnet"
    mae = {"encoder": {"name": "mae_encoder", "patch_size": 4, "channels": 1}}
    made = methods.with_nets({**mae, "patch_size": 4}, transformers=True)
    assert made["patch_size"] == made["encoder"]["patch_size"] == 16
    assert made["encoder"]["width"] == 192


def test_views_grow_with_the_images_of_a_set_up():
    large, small = {"name": "view", "size": 28}, {"name": "view", "size": 16}
    spec = {"name": "multi_crop", "first": large, "small": small, "count": 4}
    made = methods.with_size(spec, 32, transformers=False)
    assert (made["first"]["size"], made["small"]["size"]) == (32, 16)
    assert methods.crops(made) == [32, 32, 16, 16, 16, 16]
    assert methods.crops({"name": "two_views", "first": large}) == [28, 28]


def test_a_method_keeps_networks_that_are_none_of_the_set_up():
    case = methods.case_of("simmim", batch=4)
    own = load_config("configs/simmim.py:sample", [("batch_size", "4")])
    assert case.config["method"] == own["method"]
    assert case.config["views"] == own["views"]
    assert (case.size, case.channels) == (32, 1)


def test_stages_are_measured_by_the_last():
    assert methods.case_of("beit", batch=4).config["method"]["name"] == "beit"


def test_images_are_of_the_data_where_views_name_no_size():
    assert methods.case_of("exemplar", batch=4).size == 64


def test_shares_are_of_the_sum_of_the_parts():
    times = {"views": 1.0, "objective": 6.0, "loss": 1.0, "optimizer": 2.0, "after": 1}
    shares = step.shares_of(times)
    assert shares["model"] == 0.5
    assert sum(shares.values()) == pytest.approx(1)


def test_a_row_without_a_peer_has_no_ratio():
    made = {"method": "cpc", "images/s": 2.5, "other": 0.125, "compile s": 3.0, "MB": 7}
    assert methods.shown(made) == "| cpc | 2.5 | 12.5 | 3.0 | 7 | - | - |"
    made |= {"lightly": 2.0, "ratio": 1.25}
    assert methods.shown(made) == "| cpc | 2.5 | 12.5 | 3.0 | 7 | 2.0 | 1.25 |"


def test_all_networks_of_a_config_take_a_dtype():
    config = accelerator.config_of("mae:base", batch=4, dtype="bfloat16")
    assert config["batch_size"] == 4
    assert config["method"]["encoder"]["dtype"] == "bfloat16"
    assert config["method"]["decoder"]["dtype"] == "bfloat16"
    nested = {"encoders": [{"dtype": "float32"}], "dim": 8}
    made = accelerator.with_dtype(nested, "bfloat16")
    assert made == {"encoders": [{"dtype": "bfloat16"}], "dim": 8}
