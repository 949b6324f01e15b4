"""Times of collectives and steps by hand; topologies; what people read."""

import json

import pytest

from sslax import plan
from sslax.commands.plan import run_plan
from sslax.plan import CHIPS, Collective, Flops, Plan, Roofline, topology
from sslax.plan._compile import Step, _cause
from sslax.plan._input import RATES
from sslax.plan._options import batch_shapes, has_option, with_layout, with_option
from sslax.plan._topologies import devices_of, sized
from tests.test_configs import load

MB = 10**6


def one(kind, size, group, *, stride=1, count=1.0, hidden=False):
    return Collective(kind, size, group, stride, count, hidden, "f32", "")


def test_names_of_topologies():
    assert topology("v5e:16x16").count == 256
    assert topology("v5p:8x8x4").shape == (8, 8, 4)
    assert topology("h100:4x8").count == 32
    assert topology("v5e:16x16x4slices").count == 1024
    assert topology("v5e:16x16x4slices").hosts == 256
    assert topology("h100:4x8").hosts == topology("h100:4x2").hosts == 4
    assert sized(CHIPS["v5e"], 1024).name == "v5e:16x16x4slices"
    assert sized(CHIPS["v5p"], 1024).name == "v5p:8x8x16"
    assert sized(CHIPS["h100"], 8).name == "h100:1x8"
    with pytest.raises(ValueError, match=r"no usual topology of 24 v5e"):
        sized(CHIPS["v5e"], 24)
    for name, message in [
        ("v5x:4x4", "no chip 'v5x' in 'v5x:4x4': did you mean"),
        ("v5e:4", "needs 2 sizes, for example v5e:16x16"),
        ("v5p:4x4", "needs 3 sizes, for example v5p:4x8x8"),
        ("v5e", "needs 2 sizes"),
        ("h100:4x16", "a host has at most 8 GPUs"),
        ("v5e:0x4", "needs 2 sizes"),
    ]:
        with pytest.raises(ValueError, match=message):
            topology(name)


def test_every_chip_has_a_source_and_sane_numbers():
    for name, chip in CHIPS.items():
        assert chip.name == name
        assert len(chip.source) > 10
        assert chip.usable < chip.memory
        assert chip.highest < chip.single <= chip.half


def test_a_compiler_that_is_missing_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr("sslax.plan._topologies._installed", lambda package: False)
    with pytest.raises(ValueError, match=r"libtpu.*pip install 'sslax\[plan\]'"):
        devices_of(topology("v5e:4x4"))
    with pytest.raises(ValueError, match=r"pip install 'sslax\[plan-gpu\]'"):
        devices_of(topology("h100:1x8"))


def test_collectives_on_a_torus():
    target, chip = topology("v5e:16x16"), CHIPS["v5e"]
    seconds = plan.collective_seconds
    # Both axes close to rings of 16: four links, and 8 + 8 hops to the far corner.
    reduce = seconds(one("all-reduce", 100 * MB, 256), target)
    by_hand = 2 * (100 * MB * 255 / 256 / (4 * chip.link) + 16 * chip.hop)
    assert reduce == pytest.approx(by_hand)
    # One axis: two links.
    gather = seconds(one("all-gather", MB, 16), target)
    by_hand = 16 * MB * 15 / 16 / (2 * chip.link) + 8 * chip.hop
    assert gather == pytest.approx(by_hand)
    # A slice of 4 is a line: one link at its ends.
    line = seconds(one("reduce-scatter", MB, 16), topology("v5e:4x4"))
    by_hand = MB * 15 / 16 / (2 * chip.link) + 6 * chip.hop
    assert line == pytest.approx(by_hand)
    assert seconds(one("all-reduce", MB, 1), target) == 0
    step = seconds(one("collective-permute", MB, 2), target)
    assert step == pytest.approx(MB / chip.link + chip.hop)


def test_collectives_between_hosts_and_slices_use_the_network():
    seconds = plan.collective_seconds
    chip = CHIPS["h100"]
    near = seconds(one("all-reduce", 100 * MB, 8), topology("h100:4x8"))
    far = seconds(one("all-reduce", 100 * MB, 32), topology("h100:4x8"))
    apart = seconds(one("all-reduce", 100 * MB, 4, stride=8), topology("h100:4x8"))
    assert near == pytest.approx(2 * (87.5 * MB / chip.link + 3 * chip.hop))
    extra = 2 * (100 * MB / 8 * 3 / 4 / chip.network + 2 * chip.hop * 5)
    assert far == pytest.approx(near + extra)
    assert apart == pytest.approx(2 * (75 * MB / chip.network + 2 * chip.hop * 5))
    slices = seconds(one("all-reduce", MB, 1024), topology("v5e:16x16x4slices"))
    assert slices > seconds(one("all-reduce", MB, 256), topology("v5e:16x16"))


def speed_of(*, sent=(), traffic=819e6, half=197e9):
    flops = Flops(half=half)
    return plan.roofline(
        topology("v5e:1x1"),
        model=flops,
        done=flops,
        traffic=traffic,
        sent=sent,
        batch_size=10,
    )


def test_the_longest_part_bounds_the_step():
    memory = speed_of(traffic=4 * 819e6)
    assert (memory.bound, memory.seconds) == ("memory", pytest.approx(4e-3))
    assert memory.images == pytest.approx(2500)
    assert memory.mfu == pytest.approx(0.25)
    assert speed_of(traffic=1e6).bound == "compute"
    assert speed_of(traffic=1e6).mfu == pytest.approx(1.0)
    # Single precision is one pass on TPU, full precision six.
    exact = speed_of()._replace()
    assert exact.compute == pytest.approx(1e-3)


def test_what_is_hidden_costs_only_when_it_is_longest():
    target = topology("v5e:4x4")
    flops = Flops(half=16 * 197e9)
    options = dict(model=flops, done=flops, traffic=0.0, batch_size=16)
    small = one("all-gather", MB, 16, hidden=True)
    hidden = plan.roofline(target, sent=[small], **options)
    shown = plan.roofline(target, sent=[small._replace(hidden=False)], **options)
    assert hidden.seconds == pytest.approx(1e-3)
    assert shown.seconds == pytest.approx(1e-3 + shown.network)
    many = plan.roofline(target, sent=[small._replace(count=100.0)], **options)
    assert many.seconds == pytest.approx(many.network)
    assert many.bound == "interconnect"


def test_layouts_by_name():
    config = load("mae", "large")
    assert with_layout(config, None) == config
    hybrid = with_layout(config, "fsdp:16")
    assert hybrid["mesh"] == {"data": -1, "fsdp": 16}
    assert hybrid["layout"] == {"name": "fsdp"}
    assert with_layout(config, "fsdp")["mesh"] == {"data": 1, "fsdp": -1}
    assert config["layout"] == {"name": "replicated"}, "the config is left alone"
    for wrong in ("zero", "fsdp:", "fsdp:x", "replicated:2"):
        with pytest.raises(ValueError, match=f"layout is '{wrong}'"):
            with_layout(config, wrong)


def test_flags_of_networks_are_found_in_the_config():
    config = load("mae", "base")
    assert has_option(config, "remat")
    assert not has_option(load("simclr", "cifar10"), "remat")
    for name in ("swin_tiny", "vit_small"):
        assert has_option({"method": {"encoder": {"name": name}}}, "remat")
    method = with_option(config, "remat", True)["method"]
    assert method["encoder"]["remat"] is True
    assert method["decoder"]["remat"] is True


def test_batches_are_known_before_the_data():
    shapes = batch_shapes(load("simclr", "imagenet"))
    assert shapes["image"].shape == (4096, 512, 512, 3)
    assert shapes["image"].dtype == "uint8"
    assert shapes["box"].shape == (4096, 4)
    assert batch_shapes(load("demo", None))["image"].shape == (128, 28, 28, 1)
    config = load("simclr", "cifar10")
    assert "box" not in batch_shapes(config)
    config["data"]["train"] = "food101/train"
    with pytest.raises(ValueError, match=r"--config\.data\.canvas=256"):
        batch_shapes(config)


def test_causes_are_told_in_plain_words():
    message = (
        "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in "
        "memory space hbm. Used 157.29G of 15.75G hbm. Exceeded hbm capacity by 141.5G."
    )
    needed, cause = _cause(message)
    assert needed == int(157.29 * 2**30)
    assert cause == (
        "it needs 157.29 GiB on each chip, and a program may take 15.75 GiB"
    )
    message = (
        "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for "
        "HLO temporaries (40.20G) exceeds available HBM (15.75G)."
    )
    assert "40.20 GiB on each chip, and a program may take 15.75" in _cause(message)[1]
    assert _cause("INTERNAL: no tiling\nmore")[1].endswith("INTERNAL: no tiling")


def made(*, fits=True):
    speed = Roofline(1e-3, 2e-3, 1e-4, 1e-4, 2.1e-3, "memory", 1234.5, 0.42)
    step = Step(
        config=load("simclr", "imagenet"),
        state={},
        model=Flops(single=1e15),
        done=Flops(single=2e15),
        fits=fits,
        cause="" if fits else "it needs 20.00 GiB on each chip",
        arguments=2**30,
        temporaries=3 * 2**30,
        needed=0 if not fits else 4 * 2**30,
        traffic=1e9,
        sent=(one("all-reduce", 2**20, 16, count=3.0),),
    )
    return Plan(topology("v5e:4x4"), "replicated", step, speed if fits else None)


def test_a_plan_is_one_screen_and_plain_values():
    text = plan.screen(made())
    assert len(text.splitlines()) < 25
    assert max(map(len, text.splitlines())) <= 130
    for words in (
        "simclr on v5e:4x4: 16 v5e chips, batch 4096, layout replicated",
        "fits          yes",
        "4.00 GiB of 15.75 GiB on each chip (25%)",
        "all-reduce f32: 3.00 MiB in 3",
        "2.1 ms a step, bound by memory: 1,230 images/s, MFU 42%",
        "not measured",
    ):
        assert words in text
    refused = plan.screen(made(fits=False))
    assert "no: it needs 20.00 GiB" in refused
    assert "--search" in refused
    values = json.loads(json.dumps(plan.plan_values(made())))
    assert values["prediction"]["bound"] == "memory"
    assert values["memory"]["needed"] == 2**32


def test_what_hosts_read_is_told_with_the_cores_that_it_takes():
    one = made()  # 1234.5 images/s for four hosts of four chips, canvas 512
    read = plan.reading(one, per_core=100.0)
    assert read == (4, pytest.approx(308.625), 100.0, pytest.approx(3.08625), 512)
    said = "309 images/s on each of 4 hosts, 3.09 cores that decode 100 each"
    assert said in plan.screen(one, per_core=100.0)
    assert plan.plan_values(one, per_core=100.0)["input"]["cores"] == read.cores
    measured = plan.reading(one)
    assert measured.rate == RATES[512]
    config = one.step.config
    for canvas, rate in ((200, RATES[256]), (1024, RATES[512])):
        config["data"]["canvas"] = canvas
        assert plan.reading(one).rate == rate
    config["data"]["canvas"] = None  # a set that stays in memory
    assert plan.reading(one) is None
    assert plan.reading(made(fits=False)) is None
    with pytest.raises(ValueError, match="images_per_core must be positive"):
        run_plan(config, "v5e:4x4", per_core=0.0)


def test_a_search_proposes_the_first_that_fits():
    text = plan.search_screen([made(), made(fits=False)])
    assert "proposed: replicated" in text
    assert "nothing that was tried fits" in plan.search_screen([made(fits=False)])
