"""What moves most in a compiled step, by hand and of a program that is compiled."""

import json

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from sslax import plan
from sslax.commands.plan import run_plan
from sslax.plan._compile import Step
from sslax.plan._movers import readable

TEXT = """HloModule m
%fused.1 (a: f32[64,64], b: f32[64,64]) -> f32[64,64] {
  %a = f32[64,64]{1,0} parameter(0)
  %b = f32[64,64]{1,0} parameter(1)
  ROOT %d = f32[64,64]{1,0} dot(%a, %b)
}
%add.1 (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %s = f32[] add(%x, %y)
}
%condition.1 (t: (s32[], f32[64,64])) -> pred[] {
  %t = (s32[], f32[64,64]{1,0}) parameter(0)
  %n = s32[] constant(5)
  %j = s32[] get-tuple-element(%t), index=0
  ROOT %less = pred[] compare(%j, %n), direction=LT
}
%body.1 (t: (s32[], f32[64,64])) -> (s32[], f32[64,64]) {
  %t = (s32[], f32[64,64]{1,0}) parameter(0)
  %v = f32[64,64]{1,0} get-tuple-element(%t), index=1
  %k = s32[] get-tuple-element(%t), index=0
  %c = f32[64,64]{0,1} copy(%v), metadata={op_name="jit(step)/views/while/body/clip"}
  ROOT %o = (s32[], f32[64,64]{1,0}) tuple(%k, %c)
}
ENTRY %main (p: f32[64,64], q: f32[64,64], z: (s32[], f32[64,64])) -> f32[64,64] {
  %p = f32[64,64]{1,0} parameter(0)
  %q = f32[64,64]{1,0} parameter(1)
  %z = (s32[], f32[64,64]{1,0}) parameter(2)
  %w = (s32[], f32[64,64]{1,0}) while(%z), condition=%condition.1, body=%body.1
  %f1 = f32[64,64]{1,0} fusion(%p, %q), kind=kOutput, calls=%fused.1, \
metadata={op_name="jit(step)/ssl/transpose(jvp(encoder))/layer1/dot_general"}
  %f2 = f32[64,64]{1,0} fusion(%f1, %q), kind=kOutput, calls=%fused.1, \
metadata={op_name="jit(step)/ssl/transpose(jvp(encoder))/layer2/dot_general"}
  %f3 = f32[64,64]{1,0} fusion(%f2, %q), kind=kOutput, calls=%fused.1, \
metadata={op_name="jit(step)/ssl/jvp(encoder)/layer2/dot_general"}
  ROOT %g = f32[64,64]{1,0} all-reduce(%f3), replica_groups={{0,1,2,3}}, \
to_apply=%add.1, metadata={op_name="jit(step)/ssl/jvp(encoder)/bn/reduce_sum"}
}
"""
SIZE = 64 * 64 * 4  # of the one array


def test_what_moves_through_memory_is_told_in_groups():
    program = plan.read_hlo(TEXT)
    found = plan.movers(program)
    assert [(m.opcode, m.where, m.backward, m.count) for m in found] == [
        ("copy", "views/clip", False, 5.0),
        ("fusion of dot", "ssl/encoder/layer*/dot_general", True, 2.0),
        ("fusion of dot", "ssl/encoder/layer2/dot_general", False, 1.0),
        ("all-reduce", "ssl/encoder/bn/reduce_sum", False, 1.0),
    ]
    assert [m.bytes for m in found] == [10 * SIZE, 6 * SIZE, 3 * SIZE, 2 * SIZE]
    assert {m.array for m in found} == {"f32[64,64]"}
    assert sum(m.bytes for m in found) == plan.memory_traffic(program)
    assert sum(m.share for m in found) == pytest.approx(1.0)


def test_what_moves_over_links_is_told_with_its_time():
    target = plan.topology("v5e:2x2")
    sent = plan.collectives(plan.read_hlo(TEXT), chips=4)
    gather = sent[0]._replace(kind="all-gather", count=3.0)
    lone = sent[0]._replace(group=1)
    permuted = sent[0]._replace(kind="collective-permute", group=2)
    found = plan.senders([permuted, lone, *sent, gather], target)
    assert [(m.opcode, m.bytes) for m in found] == [
        ("all-gather over 4", 3 * 3 * SIZE),  # what the three others have
        ("all-reduce over 4", 2 * 3 / 4 * SIZE),
        ("collective-permute over 2", SIZE),
        ("all-reduce over 1", 0.0),
    ]
    assert found[1].seconds == plan.collective_seconds(sent[0], target) > 0
    assert (found[1].array, found[1].where) == (
        "f32[64,64]",
        "ssl/encoder/bn/reduce_sum",
    )
    assert plan.senders([], target) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jit(step)/views/jit(_uniform)/while/body/add", ("views/_uniform/add", False)),
        ("jit(f)/cut/view.<locals>.draw/mul", ("cut/view.draw/mul", False)),
        (
            "args[0].opt['ssl'][0].mu['bn1']['scale']",
            ("args/0.opt/ssl/0.mu/bn1/scale", False),
        ),
        (
            "jit(f)/ssl/(transpose(ssl)/jvp(net)/conv1/dot:transpose(jvp(mlp))/dot)",
            ("ssl/net/conv1/dot and 1 more", True),
        ),
        ("jit(f)/ssl/transpose", ("ssl/transpose", False)),
        ("", ("", False)),
    ],
)
def test_names_are_shortened_to_what_people_read(name, expected):
    assert readable(name) == expected


@pytest.fixture(scope="module")
def program():
    """Layers in a loop over a batch that is split over eight devices."""
    mesh = jax.make_mesh((8,), ("data",), (AxisType.Auto,))

    def loss(weights, x):
        with jax.named_scope("net"):
            y = jax.lax.scan(lambda y, w: (jnp.tanh(y @ w), None), x, weights)[0]
        return (y**2).sum()

    def placed(shape, *spec):
        sharding = NamedSharding(mesh, P(*spec))
        return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)

    arguments = placed((6, 32, 32)), placed((64, 32), "data")
    text = jax.jit(jax.grad(loss)).lower(*arguments).compile().as_text()
    return plan.read_hlo(text)


def test_a_compiled_loop_has_its_products_and_its_reduced_gradient(program):
    found = plan.movers(program)
    assert sum(m.bytes for m in found) == pytest.approx(plan.memory_traffic(program))
    assert [m.bytes for m in found] == sorted((m.bytes for m in found), reverse=True)
    products = [m for m in found if m.opcode.endswith("dot")]
    assert sum(m.count for m in products if not m.backward) == 6
    assert sum(m.count for m in products if m.backward) == 12
    assert all(m.where.startswith("net/") for m in products)
    sent = plan.collectives(program, chips=8)
    most = plan.senders(sent, plan.topology("v5e:2x4"))[0]
    assert most.backward
    assert most.opcode == "all-reduce over 8"
    assert most.bytes == 2 * 7 / 8 * 6 * 32 * 32 * 4
    assert most.share > 0.9


def planned(program):
    target = plan.topology("v5e:2x4")
    config = {"method": {"name": "simclr"}, "batch_size": 8, "dtype": "float32"}
    config |= {"data": {"canvas": None}}
    step = Step(
        config=config,
        state={},
        model=plan.Flops(single=1.0),
        done=plan.Flops(single=1.0),
        fits=True,
        cause="",
        traffic=plan.memory_traffic(program),
        sent=tuple(plan.collectives(program, chips=8)),
        moved=tuple(plan.movers(program)),
    )
    speed = plan.Roofline(1e-3, 2e-3, 1e-4, 1e-4, 2.1e-3, "memory", 1.0, 0.4)
    return plan.Plan(target, "replicated", step, speed)


def test_a_screen_and_a_file_have_as_many_as_are_asked_for(program):
    one = planned(program)
    assert "most bytes" not in plan.screen(one)
    assert "movers" not in plan.plan_values(one)
    text = plan.screen(one, movers=2).splitlines()
    memory, links = (
        next(i for i, line in enumerate(text) if f"most bytes {words}" in line)
        for words in ("through memory", "over links")
    )
    assert links - memory == 4  # two lines and an empty one
    assert " 6 x " in text[memory + 1]
    assert " net/" in text[memory + 1]
    assert "all-reduce over 8" in text[links + 1]
    assert "(backward)" in text[links + 1]
    values = json.loads(json.dumps(plan.plan_values(one, movers=2)))["movers"]
    assert len(values["memory"]) == 2
    assert values["links"][0]["opcode"] == "all-reduce over 8"
    assert values["links"][0]["seconds"] > 0
    gathered = one.step.sent[0]._replace(kind="all-gather")
    both = one._replace(step=one.step._replace(sent=(*one.step.sent, gathered)))
    for count in (1, 2):
        assert len(plan.plan_values(both, movers=count)["movers"]["links"]) == count


def test_movers_are_of_one_step():
    for options in ({"movers": -1}, {"movers": 3, "scaling": True}):
        with pytest.raises(ValueError, match=r"movers=.* one compiled step"):
            run_plan({}, "v5e:4x4", **options)
