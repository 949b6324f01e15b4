"""What compiled programs move, read from their text and checked against XLA."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from sslax.plan import collectives, memory_traffic, read_hlo
from sslax.plan._groups import group_of
from sslax.plan._hlo import executed, shape_bytes

N = 8


@pytest.fixture(scope="module")
def mesh():
    return jax.make_mesh((2, 4), ("data", "fsdp"), (AxisType.Auto,) * 2)


def compiled(function, *args):
    return jax.jit(function).lower(*args).compile()


def sent(function, *args, chips=N):
    found = collectives(read_hlo(compiled(function, *args).as_text()), chips=chips)
    return sorted((c.kind, c.bytes, c.group, c.stride, c.count) for c in found)


def placed(mesh, shape, *spec):
    sharding = NamedSharding(mesh, P(*spec))
    return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)


def shard(mesh, spec_in, spec_out):
    def wrap(function):
        return jax.shard_map(
            function, mesh=mesh, in_specs=spec_in, out_specs=spec_out, check_vma=False
        )

    return wrap


def test_each_kind_is_found_with_its_bytes_and_group(mesh):
    both = ("data", "fsdp")
    x = placed(mesh, (64, 4), both)

    @shard(mesh, P(both), P())
    def whole(x):
        return jax.lax.psum(x.sum(axis=0), both)

    @shard(mesh, P(both), P())
    def gathered(x):
        return jax.lax.all_gather(x, both, tiled=True)

    @shard(mesh, P(), P("fsdp"))
    def scattered(x):
        return jax.lax.psum_scatter(x, "fsdp", tiled=True)

    @shard(mesh, P(both), P(both))
    def turned(x):
        return jax.lax.ppermute(x, "fsdp", [(i, (i + 1) % 4) for i in range(4)])

    @shard(mesh, P(both), P(both))
    def across(x):
        return jax.lax.psum(x, "data")

    assert sent(whole, x) == [("all-reduce", 16, 8, 1, 1)]
    assert sent(gathered, x) == [("all-gather", 128, 8, 1, 1)]
    assert sent(scattered, placed(mesh, (64, 4))) == [("reduce-scatter", 1024, 4, 1, 1)]
    assert sent(turned, x) == [("collective-permute", 128, 2, 1, 1)]
    assert sent(across, x) == [("all-reduce", 128, 2, 4, 1)]
    assert sent(lambda x: x + 1, placed(mesh, (64, 4), both)) == []


def test_what_a_loop_sends_counts_as_often_as_it_runs(mesh):
    @shard(mesh, P("fsdp"), P("fsdp"))
    def looped(x):
        def body(x, _):
            return jnp.tanh(jax.lax.psum(x, "fsdp") * x), None

        return jax.lax.scan(body, x, length=6)[0]

    found = sent(looped, placed(mesh, (8, 3), "fsdp"))
    assert found == [("all-reduce", 24, 4, 1, 6)]


# Forms that other compilers write, a line of each.
FORMS = """HloModule m
%add.1 (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}
%all-reduce-scatter.2 (p: bf16[16,8]) -> bf16[4,8] {
  %p = bf16[16,8]{1,0:T(8,128)(2,1)} parameter(0)
  %r = bf16[16,8]{1,0:T(8,128)(2,1)} all-reduce(%p), channel_id=1, \
replica_groups=[2,4]<=[8], to_apply=%add.1
  %i = s32[] constant(0)
  ROOT %s = bf16[4,8]{1,0:T(8,128)(2,1)} dynamic-slice(%r, %i, %i), \
dynamic_slice_sizes={4,8}
}
%async (q: f32[8]) -> f32[2] {
  %q = f32[8]{0} parameter(0)
  ROOT %rs = f32[2]{0} reduce-scatter(%q), replica_groups={{0,4},{1,5},{2,6},{3,7}}, \
dimensions={0}, to_apply=%add.1
}
%condition.9 (t: (s32[], f32[4])) -> pred[] {
  %t = (s32[], f32[4]{0}) parameter(0)
  %n = s32[] constant(24)
  %j = s32[] get-tuple-element(%t), index=0
  ROOT %less = pred[] compare(%j, %n), direction=LT
}
%body.9 (t: (s32[], f32[4])) -> (s32[], f32[4]) {
  %t = (s32[], f32[4]{0}) parameter(0)
  %v = f32[4]{0} get-tuple-element(%t), index=1
  %k = s32[] get-tuple-element(%t), index=0
  %ar = f32[4]{0} all-reduce(%v), \
replica_groups=mesh['a'=2,'b'=2,'c'=2] {'a','b'}, to_apply=%add.1
  ROOT %o = (s32[], /*index=1*/f32[4]{0}) tuple(%k, %ar)
}
ENTRY %main.3 (x: f32[8], y: bf16[16,8], z: (s32[], f32[4])) -> f32[16] {
  %x = f32[8]{0} parameter(0)
  %y = bf16[16,8]{1,0:T(8,128)(2,1)} parameter(1)
  %z = (s32[], f32[4]{0}) parameter(2)
  %ag = (f32[8]{0}, f32[16]{0}) all-gather-start(%x), \
replica_groups=[4,2]<=[2,4]T(1,0), dimensions={0}, metadata={op_name="jit(f)/dot"}
  %agd = f32[16]{0} all-gather-done(%ag)
  %f = bf16[4,8]{1,0:T(8,128)(2,1)} fusion(%y), kind=kCustom, \
calls=%all-reduce-scatter.2
  %as = ((f32[8]{0}), f32[2]{0}) async-start(%x), calls=%async
  %ad = f32[2]{0} async-done(%as)
  %w = (s32[], f32[4]{0}) while(%z), condition=%condition.9, body=%body.9
  ROOT %out = f32[16]{0} copy(%agd)
}
"""


def test_asynchronous_fused_and_looped_forms():
    program = read_hlo(FORMS)
    found = {
        (c.kind, c.dtype, c.bytes, c.group, c.stride, c.count, c.hidden)
        for c in collectives(program, chips=8)
    }
    assert found == {
        ("all-gather", "f32", 32, 2, 4, 1.0, True),
        ("reduce-scatter", "bf16", 256, 4, 1, 1.0, False),
        ("reduce-scatter", "f32", 32, 2, 4, 1.0, False),
        ("all-reduce", "f32", 16, 4, 2, 24.0, False),
    }
    assert ("body.9", 24.0) in set(executed(program))
    where = {c.where for c in collectives(program, chips=8)}
    assert "jit(f)/dot" in where


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("[4,2]<=[8]", (2, 1)),
        ("[2,4]<=[4,2]T(1,0)", (4, 2)),
        ("{{0,4},{1,5},{2,6},{3,7}}", (2, 4)),
        ("mesh['a'=2,'b'=4] {'a'}", (2, 4)),
        ("mesh['a'=2,'b'=2,'c'=2] {'a','c'}", (4, 1)),
        # Numbers 0 to 7 as two rows, transposed: four rows of devices {0, 4}, ...
        ("mesh['a'=4,'b'=1,'c'=2], device_ids=([2,4]T(1,0)) {'a'}", (4, 1)),
        ("mesh['a'=4,'b'=1,'c'=2], device_ids=([2,4]T(1,0)) {'c'}", (2, 4)),
        ("mesh['a'=4,'b'=2], device_ids=(0,4,1,5,2,6,3,7) {'b'}", (2, 4)),
        ("{}", (8, 1)),
    ],
)
def test_groups_in_every_form(groups, expected):
    assert group_of(f"channel_id=1, replica_groups={groups}, use=true", 8) == expected


def test_groups_in_another_form_are_refused():
    assert group_of("channel_id=1", 8) == (8, 1)
    with pytest.raises(ValueError, match=r"not known: replica_groups=<0,1>"):
        group_of("replica_groups=<0,1>, dimensions={0}", 8)


def test_text_without_a_program_is_refused():
    with pytest.raises(ValueError, match="no ENTRY"):
        read_hlo("HloModule empty\n")


def test_bytes_of_shapes():
    assert shape_bytes("f32[2,3]{1,0}") == 24
    assert shape_bytes("(bf16[4], (s4[8], pred[3]))") == 8 + 4 + 3
    assert shape_bytes("f32[]") == 4
    # Channels last are padded to the width of the unit, 8 rows of 128.
    assert shape_bytes("f32[5,9,3]{2,1,0:T(8,128)}", padded=True) == 5 * 16 * 128 * 4
    assert shape_bytes("f32[3,9]{0,1:T(8,128)}", padded=True) == 128 * 16 * 4
    assert shape_bytes("f32[64]{0:T(128)S(1)}", padded=True) == 0
    assert shape_bytes("f32[64]{0:T(128)S(1)}") == 256


def test_memory_traffic_is_near_what_xla_counts():
    a, b = jnp.ones((256, 128)), jnp.ones((128, 64))

    def layer(a, b):
        return jnp.tanh(a @ b).sum(axis=0) + b[3]

    done = compiled(layer, a, b)
    expected = done.cost_analysis()["bytes accessed"]
    found = memory_traffic(read_hlo(done.as_text()))
    assert found == pytest.approx(expected, rel=0.1)


def test_a_scan_reads_its_slice_and_not_the_stack():
    stack = jnp.ones((50, 64, 64))
    x = jnp.ones((64, 64))

    def scanned(x, stack):
        return jax.lax.scan(lambda c, w: (jnp.tanh(c @ w), None), x, stack)[0]

    found = memory_traffic(read_hlo(compiled(scanned, x, stack).as_text()))
    one = 64 * 64 * 4
    assert 50 * 3 * one <= found <= 50 * 12 * one  # the whole stack would be 50 more
