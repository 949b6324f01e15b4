"""The benchmarks' talk with a process that has other packages."""

import json
import sys
from pathlib import Path

import jax
import pytest

from experiments.benchmarks import (
    accelerator,
    accelerator_rival,
    accelerator_rows,
    attention,
    cpu_levers,
    methods,
    models,
    step,
)
from experiments.benchmarks import input as inputs
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


def test_a_row_of_an_accelerator_tells_ours_and_the_peers():
    times = {"views": [0.02], "objective": [0.07], "loss": [0.01], "optimizer": [0.01]}
    times |= {"after": [0.0], "step": [0.1, 0.12, 0.09]}
    made = accelerator_rows.numbers(times, 8)
    assert made["step ms"] == pytest.approx(100)
    assert made["spread ms"] == pytest.approx(30)
    assert made["images/s"] == pytest.approx(80)
    assert made["no views ms"] == pytest.approx(80)
    assert made["other %"] == pytest.approx(40)
    assert "ratio" not in made
    times |= {"eager": [0.3], "compiled": [0.2]}
    made = accelerator_rows.numbers(times, 8)
    assert made["torch ms"] == pytest.approx(300)
    assert made["ratio"] == pytest.approx(2)
    assert made["ratio, no views"] == pytest.approx(2.5)


def test_a_config_that_fails_is_told_and_passed_over(tmp_path, capsys):
    args = accelerator.parsed(["--batch", "4", "--out", str(tmp_path / "rows")])
    for name in ("no_such_config", "simclr:no_such_variant"):
        made = accelerator.attempt(name, "float32", args, None)
        accelerator_rows.tell(made, args.out)
    lines = (tmp_path / "rows").read_text().splitlines()
    assert [json.loads(line)["config"] for line in lines] == [
        "no_such_config",
        "simclr:no_such_variant",
    ]
    assert "no_such_variant float32 failed: " in capsys.readouterr().out


def test_what_a_peer_fails_at_is_told_beside_our_row(capsys):
    told = {"failed": {"compiled": "no compiler"}}
    made = {"config": "mae", "dtype": "bfloat16", "step ms": 1.25, "peer": told}
    accelerator_rows.tell(made, "")
    row, failure = capsys.readouterr().out.splitlines()
    assert row.startswith("| mae | bfloat16 | - | 1.2 | - |")
    assert failure == "mae bfloat16, compiled of the peer: no compiler"


def test_a_peer_that_cannot_start_leaves_our_row():
    config = accelerator.config_of("simclr", batch=4, dtype="bfloat16")
    rival = accelerator_rival.Rival("false")
    options = {"dtype": "bfloat16", "compiled": False}
    made = accelerator_rival.prepared(rival, config, **options)
    assert "the peer ended" in made["peer"]["failed"]["process"]
    assert rival.steps(made["peer"], calls=2) == {}
    rival.free()


@pytest.mark.parametrize("name", ["simclr", "moco", "dino", "swav", "mae"])
def test_a_peer_is_asked_with_all_that_a_method_takes(name):
    config = accelerator.config_of(name, batch=4, dtype="bfloat16")
    asked = accelerator_rival.question(config, dtype="bfloat16", compiled=True)
    assert json.loads(json.dumps(asked))["sizes"] == asked["sizes"]
    counts = {"dino": 10, "swav": 8, "mae": 1}
    assert len(asked["sizes"]) == counts.get(name, 2)
    assert set(asked["sizes"]) <= {224, 96}
    if name == "dino":  # which the config leaves to the signature
        assert asked["config"]["method"]["bottleneck"] == 256


def test_one_device_is_shared_with_a_peer():
    told = accelerator.memory_settings(accelerator.parsed(["--peer", "python"]))
    assert told == {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"}
    told = accelerator.memory_settings(accelerator.parsed(["--compile"]))
    assert told == {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    assert accelerator.memory_settings(accelerator.parsed([])) == {}


def test_photos_are_a_folder_that_a_run_reads(tmp_path):
    """Each photo a class; the step alone meets the same batch again and again."""
    files = [inputs.as_jpeg(image) for image in inputs.drawn()[:2]]
    inputs.written(files, str(tmp_path), copies=40)
    run = inputs.run_on(str(tmp_path), workers=0)
    assert run.loader.shapes["image"].shape == (inputs.BATCH, 512, 512, 3)
    assert run.loader.source.num_classes == 2
    turns = iter(range(9))
    assert inputs.per_second(turns, 4) > 0
    assert next(turns) == 7  # three before those that are timed


def test_each_decoder_has_rows_with_and_without_opencv():
    files = [inputs.as_jpeg(inputs.drawn()[0])]
    rows = dict(inputs.decoders(files))
    assert {"pillow, canvas 384", "pillow and opencv, canvas 384"} <= set(rows)
    assert all(work() == 1 for work in rows.values())


@pytest.mark.parametrize("tokens", [4, 5])
def test_a_layer_of_attention_mixes_the_tokens_of_each_image_alone(tokens):
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = ((2, tokens, 16), (16, 48), (16, 16))
    x, into, out = (jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True))

    def first(x):
        return attention.layer(x, into, out, heads=2, form="xla")[0, 0].sum()

    seen = abs(jax.grad(first)(x)).sum(axis=-1)
    assert (seen[0] > 0).all()
    assert not seen[1].any()


def test_a_lever_is_the_median_ratio_of_a_turn(monkeypatch):
    """The machine slows down in the second turn; what does not compile says so."""
    case = models.Case("mlp", {"hidden": 4, "dim": 2}, 2, 3)
    seconds = iter((2.0, 1.0, 4.0, 2.0, 2.2, 2.2))

    def timed(run):
        run()
        return next(seconds)

    monkeypatch.setattr(cpu_levers, "timed", timed)
    levers = {"quick": {"xla_cpu_enable_fast_min_max": True}, "no": {"no_such": 1}}
    default, quick, unknown = cpu_levers.measured(case, levers, 3)
    assert default.startswith("2.200 s (")
    assert quick.startswith("0.50 (")
    assert unknown == "not here"


def test_every_lever_is_one_of_xla():
    program = jax.jit(lambda: 0).lower()
    for options in cpu_levers.LEVERS.values():
        program.compile(compiler_options=options)
