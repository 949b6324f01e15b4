"""Every config lowers and compiles for 16 TPU chips and 8 GPUs that are not here.

The kinds of collectives are what layouts promise: gradients are reduced, a split state
is gathered and its gradients scattered, and neither the batch nor a folded view moves.
"""

import importlib.util
import json
import subprocess
import sys

import pytest

from tests.fresh import ROOT, as_users
from tests.test_configs import CASES

GIB = 2**30

pytestmark = pytest.mark.slow


def installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


needs_tpu = pytest.mark.skipif(
    not installed("libtpu"), reason="libtpu is missing: pip install 'sslax[plan]'"
)
needs_gpu = pytest.mark.skipif(
    not installed("jax_plugins.xla_cuda12"),
    reason="the CUDA plugin is missing: pip install 'sslax[plan-gpu]'",
)
# Images of a chip: as few as show every collective.
PER_CHIP = 4

PROGRAM = """
import json, sys
from sslax import plan
from tests.test_configs import load
name, variant, topology, layout, fields = json.loads(sys.argv[1])
config = load(name, variant)
target = plan.topology(topology)
config["batch_size"] = {per_chip} * target.count
for path, value in fields.items():
    *outer, last = path.split(".")
    spec = config
    for key in outer:
        spec = spec[key]
    spec[last] = value
made = plan.make_plan(config, target, layout=layout, effort="O0")
one = plan.plan_values(made)
one["sent"] = [c._asdict() for c in made.step.sent]
print("RESULT" + json.dumps(one))
"""


def compiled(name, variant, topology, layout=None, **fields):
    """A plan from a process of its own: compilers keep what they took."""
    argument = json.dumps([name, variant, topology, layout, fields])
    program = PROGRAM.replace("{per_chip}", str(PER_CHIP))
    done = subprocess.run(
        [sys.executable, "-c", program, argument],
        cwd=ROOT,
        env={**as_users(), "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("RESULT")[1])


def kinds(one):
    return {c["kind"] for c in one["collectives"]}


def moved(one, kind):
    return sum(c["bytes"] for c in one["collectives"] if c["kind"] == kind)


def check(one):
    """What holds for every replicated config."""
    assert one["fits"], one["cause"]
    # Beside a batch of a few images on their canvas a step holds gradients, which are
    # at most as large as a third of Adam's state.
    held = one["memory"]
    assert held["temporaries"] < held["arguments"] / 3 + 2.5 * GIB
    assert "all-reduce" in kinds(one)
    moved = ("collective-permute", "all-to-all", "all-gather")
    for c in one["sent"]:
        if c["kind"] in moved:  # embeddings for the loss, and nothing of image size
            assert c["bytes"] * c["count"] < 4 * 2**20, c


# Decoding to 224 pixels takes a canvas; a smaller one compiles the same program.
def small(variant):
    return {"data.canvas": 256} if variant not in ("cifar10", "sample", None) else {}


@needs_tpu
@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_config_compiles_for_a_tpu_slice(name, variant):
    fields = small(variant)
    if variant in ("large", "huge"):
        fields |= {
            f"method.{net}.{option}": True
            for net in ("encoder", "decoder")
            for option in ("scan", "remat")
        }
    check(compiled(name, variant, "v5e:4x4", **fields))


@needs_gpu
@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_config_compiles_for_a_gpu_host(name, variant):
    fields = small(variant)
    if name == "mae" and variant != "cifar10":  # a traced block in place of dozens
        fields |= {f"method.{net}.scan": True for net in ("encoder", "decoder")}
    check(compiled(name, variant, "h100:1x8", **fields))


SCANNED = {f"method.{net}.scan": True for net in ("encoder", "decoder")}


@needs_tpu
def test_a_split_state_is_gathered_and_its_gradients_are_scattered():
    # Below some 32 images a chip the compiler finds reducing whole gradients cheaper.
    fields = {**SCANNED, "batch_size": 32 * 16}
    whole = compiled("mae", "base", "v5e:4x4", "replicated", **fields)
    assert "all-gather" not in kinds(whole)
    split = compiled("mae", "base", "v5e:4x4", "fsdp", **fields)
    assert "all-gather" in kinds(split)
    # A ring of permutes beside the products is the compiler's scatter over all chips.
    assert kinds(split) & {"reduce-scatter", "collective-permute"}
    assert moved(split, "all-reduce") < moved(whole, "all-reduce") / 100, "biases"
    # 16 chips share what each had whole.
    assert split["memory"]["arguments"] < whole["memory"]["arguments"] / 8
    hybrid = compiled("mae", "base", "v5e:4x4", "fsdp:4", **fields)
    assert {"all-gather", "all-reduce", "reduce-scatter"} <= kinds(hybrid)
    more = compiled("mae", "base", "v5e:4x4", "fsdp:4", **fields | {"batch_size": 1024})
    assert moved(more, "all-gather") == moved(hybrid, "all-gather"), (
        "weights are gathered, not activations"
    )
    held = [x["memory"]["arguments"] for x in (split, hybrid, whole)]
    assert held == sorted(held)


@needs_tpu
def test_what_cannot_fit_is_refused_with_the_cause():
    one = compiled("mae", "huge", "v5e:4x4", **SCANNED, batch_size=16384)
    assert not one["fits"]
    assert "GiB on each chip, and a program may take 15.7" in one["cause"]
