"""Grafts: what comes from another run, what comes along, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from sslax import convert, models
from sslax.core import State
from sslax.train import checkpoints
from sslax.train.start import Graft, encoder_of, graft, grafts_of


def arrays(shapes, seed=0):
    """A tree of random float32 arrays from one of shapes."""
    draw = np.random.default_rng(seed)
    is_shape = lambda x: isinstance(x, tuple)  # noqa: E731
    return jax.tree.map(
        lambda shape: jnp.asarray(draw.normal(size=shape), jnp.float32),
        shapes,
        is_leaf=is_shape,
    )


ENCODER = {"conv": {"kernel": (3, 4)}, "norm": {"scale": (4,)}}
STATS = {"batch_stats": {"norm": {"mean": (4,)}}}


def state(params, extra, seed=0):
    return State(
        jnp.int32(0), arrays(params, seed), arrays(extra, seed + 1), {"ssl": ()}
    )


def student(seed, **more):
    return state({"encoder": ENCODER, **more}, {"stats": {"encoder": STATS}}, seed)


@pytest.fixture
def run(tmp_path):
    """Writes a run's newest checkpoint; returns its folder and the state."""

    def write(value, name="run"):
        folder = tmp_path / name
        manager = checkpoints.open_checkpoints(folder)
        checkpoints.save(manager, value, {}, {})
        manager.wait_until_finished()
        manager.close()
        return str(folder)

    return write


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_an_encoder_comes_with_its_statistics_and_nothing_else_moves(run):
    old, new = student(0, projector={"w": (4, 2)}), student(7, classifier={"w": (4, 3)})
    after = graft(new, [Graft(run(old))])
    equal(after.params["encoder"], old.params["encoder"])
    equal(after.extra["stats"], old.extra["stats"])
    equal(after.params["classifier"], new.params["classifier"])
    assert int(after.step) == 0


def test_a_graft_of_the_statistics_goes_before_those_that_come_along(run):
    old, other, new = student(0), student(3), student(7)
    stats = "extra/stats/encoder"
    grafts = [Graft(run(other, "b"), stats, stats), Graft(run(old, "a"))]
    after = graft(new, grafts)
    equal(after.params["encoder"], old.params["encoder"])
    equal(after.extra["stats"], other.extra["stats"])


def test_a_teacher_brings_the_teachers_statistics(run):
    extra = {
        "stats": {"encoder": STATS},
        "teacher": {"encoder": ENCODER},
        "teacher_stats": {"encoder": STATS},
    }
    old, new = state({"encoder": ENCODER}, extra), student(7)
    after = graft(new, [Graft(run(old), "extra/teacher/encoder", "params/encoder")])
    equal(after.params["encoder"], old.extra["teacher"]["encoder"])
    equal(after.extra["stats"]["encoder"], old.extra["teacher_stats"]["encoder"])


def test_a_teacher_that_is_a_copy_gets_what_the_student_gets(run):
    extra = {"stats": {"encoder": STATS}, "teacher": {"encoder": ENCODER}}
    extra["teacher_stats"] = {"encoder": STATS}
    old, new = student(0), state({"encoder": ENCODER}, extra, 7)
    after = graft(new, [Graft(run(old))])
    equal(after.extra["teacher"]["encoder"], old.params["encoder"])
    equal(after.extra["teacher_stats"]["encoder"], old.extra["stats"]["encoder"])
    # A step donates its state: no two places may share a buffer.
    buffers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves(after)]
    assert len(buffers) == len(set(buffers))


def test_a_teacher_may_have_a_graft_of_its_own(run):
    extra = {"stats": {"encoder": STATS}, "teacher": {"encoder": ENCODER}}
    old, other, new = student(0), student(3), state({"encoder": ENCODER}, extra, 7)
    grafts = [
        Graft(run(old, "a")),
        Graft(run(other, "b"), put="extra/teacher/encoder"),
    ]
    after = graft(new, grafts)
    equal(after.params["encoder"], old.params["encoder"])
    equal(after.extra["teacher"]["encoder"], other.params["encoder"])


def test_what_differs_is_named(run):
    wider = {"conv": {"kernel": (3, 5)}, "last": {"scale": (4,)}}
    new = state({"encoder": wider}, {"stats": {}}, 7)
    with pytest.raises(ValueError, match="does not fit params/encoder") as error:
        graft(new, [Graft(run(student(0)))])
    text = str(error.value)
    assert "encoder/conv/kernel: float32[3, 4] in" in text
    assert "float32[3, 5] here" in text
    assert "encoder/last/scale:" in text
    assert "encoder/norm/scale: this run has no place" in text


def test_what_must_come_from_another_run_does(run):
    """All of it, by one graft or several; else the first part that nobody gives."""
    extra = {"tokenizer": {"encoder": ENCODER, "decoder": {"w": (2,)}}}
    old, new = student(0, decoder={"w": (2,)}), state({"encoder": ENCODER}, extra, 7)
    given, put = ("extra/tokenizer",), "extra/tokenizer/encoder"
    with pytest.raises(ValueError, match=r"extra/tokenizer/decoder must come from"):
        graft(new, (), given=given)
    folder = run(old)
    half = Graft(folder, put=put)
    with pytest.raises(ValueError, match=r"start=RUN:PATH=extra/tokenizer/decoder"):
        graft(new, [half], given=given)
    other = Graft(folder, "params/decoder", "extra/tokenizer/decoder")
    after = graft(new, [half, other], given=given)
    equal(after.extra["tokenizer"], dict(old.params))


def test_types_must_agree(run):
    old = student(0)
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), old.params)
    old = State(old.step, half, old.extra, old.opt)
    with pytest.raises(ValueError, match=r"bfloat16\[3, 4\] in .*float32\[3, 4\]"):
        graft(student(7), [Graft(run(old))])


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (Graft("", take="params/encodr"), "did you mean 'params/encoder'"),
        (Graft("", take="parms/encoder"), "choices are: extra, params"),
        (Graft("", put="params/encder"), "this run has nothing at 'params/encder'"),
    ],
)
def test_a_path_that_does_not_exist_has_a_nearest_one(run, one, message):
    with pytest.raises(ValueError, match=message):
        graft(student(7), [one._replace(run=run(student(0)))])


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(ValueError, match="no checkpoints of a run"):
        graft(student(7), [Graft(str(tmp_path))])
    file = tmp_path / "weights.safetensors"
    convert.write_tensors(file, {"cls_token": np.zeros(3)})
    with pytest.raises(ValueError, match="sslax convert --from"):
        graft(student(7), [Graft(str(file))])


def test_what_is_left_out_stays_as_it_starts(run):
    fresh = {"conv": {"kernel": (3, 4)}, "fc_norm": {"scale": (9,)}}
    new = state({"encoder": fresh}, {"stats": {}}, 7)
    old = student(0)
    after = graft(new, [Graft(run(old), without=("norm", "fc_norm"))])
    equal(after.params["encoder"]["conv"], old.params["encoder"]["conv"])
    equal(after.params["encoder"]["fc_norm"], new.params["encoder"]["fc_norm"])


def vit(image_size, seed, depth=1, **options):
    net = models.vit(width=8, depth=depth, heads=2, patch_size=4, **options)
    image = jax.ShapeDtypeStruct((1, image_size, image_size, 3), jnp.float32)
    params, _ = jax.eval_shape(net.init, jax.random.key(0), image)
    params = arrays(jax.tree.map(lambda x: x.shape, params), seed)
    state = State(
        jnp.int32(0), {"encoder": params}, {"stats": {"encoder": {}}}, {"ssl": ()}
    )
    return net._replace(apply=jax.jit(net.apply)), state


def test_positions_of_another_grid_are_resized_when_asked(run):
    _, old = vit(16, 0)
    net, new = vit(24, 1)
    folder = run(old)
    with pytest.raises(ValueError, match=r"pos_embed: .*resize='size' interpolates"):
        graft(new, [Graft(folder)])
    after = graft(new, [Graft(folder, resize="size")])
    image = jax.random.normal(jax.random.key(2), (2, 24, 24, 3))
    # Without a graft the net resizes the small table itself, to the same features.
    wanted, _ = net.apply(old.params["encoder"], {}, image)
    found, _ = net.apply(after.params["encoder"], {}, image)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("image_size", [16, 24])
def test_a_shared_table_becomes_one_of_each_block(run, image_size):
    options = {"positions": "none", "init": "beit"}
    _, old = vit(16, 0, depth=2, relative="shared", **options)
    table = old.params["encoder"]["relative"]["table"]
    _, new = vit(image_size, 1, depth=2, relative="block", **options)
    one = Graft(
        run(old), resize="size", spread=(("relative", r"blocks_\d+/attn/relative"),)
    )
    after = graft(new, [one]).params["encoder"]
    wanted = models.resize_relative_positions(table, side=image_size // 4, prefix=3)
    for block in ("blocks_0", "blocks_1"):
        found = after[block]["attn"]["relative"]["table"]
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_mae_goes_on_with_learned_positions_that_start_as_the_fixed_ones(run):
    _, old = vit(16, 0, positions="sincos")
    net, new = vit(16, 1, positions="sincos_learned", pool="mean", output="tokens")
    image = jax.random.normal(jax.random.key(2), (2, 16, 16, 3))
    start, _ = jax.jit(net.init)(jax.random.key(0), image)
    new.params["encoder"]["pos_embed"] = start["pos_embed"]
    one = Graft(run(old), without=("norm", "fc_norm", "pos_embed"))
    after = graft(new, [one]).params["encoder"]
    before = models.vit(
        width=8, depth=1, heads=2, patch_size=4, positions="sincos", output="block0"
    )
    wanted, _ = jax.jit(before.apply)(old.params["encoder"], {}, image)
    found, _ = net.apply(after, {}, image)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_shardings_of_the_new_state_are_kept(run):
    mesh = jax.make_mesh(
        (4,),
        ("fsdp",),
        axis_types=(jax.sharding.AxisType.Auto,),
        devices=jax.devices()[:4],
    )
    split = NamedSharding(mesh, PartitionSpec(None, "fsdp"))
    whole = NamedSharding(mesh, PartitionSpec())
    old, new = student(0), student(7)
    new = jax.tree.map(
        lambda x: jax.device_put(x, split if x.shape == (3, 4) else whole), new
    )
    after = graft(new, [Graft(run(old))])
    assert after.params["encoder"]["conv"]["kernel"].sharding == split
    assert after.params["encoder"]["norm"]["scale"].sharding == whole
    equal(after.params["encoder"], old.params["encoder"])


def test_converted_weights_are_an_encoder(tmp_path):
    call = {"name": "resnet18", "stem": "cifar"}
    net = models.resnet18(stem="cifar")
    image = jnp.zeros((1, 224, 224, 3))
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)
    fill = lambda value: jax.tree.map(  # noqa: E731
        lambda s: jnp.full(s.shape, value, s.dtype), shapes
    )
    params, stats = fill(2.0)
    convert.save(tmp_path / "w", params, stats, model=call)
    begin, begin_stats = fill(0.0)
    new = State(
        jnp.int32(0), {"encoder": begin}, {"stats": {"encoder": begin_stats}}, {}
    )
    after = graft(new, [Graft(str(tmp_path / "w"))])
    equal(after.params["encoder"], params)
    equal(after.extra["stats"]["encoder"], stats)
    _, again, again_stats = encoder_of(str(tmp_path / "w"), output="map")
    equal((again, again_stats), (params, stats))


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("runs/a", ("runs/a", "params/encoder", "params/encoder")),
        ("gs://bucket/a", ("gs://bucket/a", "params/encoder", "params/encoder")),
        ("a:params", ("a", "params", "params")),
        ("a:params=extra/teacher", ("a", "params", "extra/teacher")),
        (
            "a:extra/teacher/encoder=params/encoder",
            ("a", "extra/teacher/encoder", "params/encoder"),
        ),
    ],
)
def test_short_forms(start, wanted):
    [one] = grafts_of({"start": (start,), "fit": {"without": ["norm"], "resize": ""}})
    assert (one.run, one.take, one.put) == wanted
    assert one.without == ("norm",)
    assert one.resize is None


def test_forms_of_a_start():
    assert grafts_of({"start": ()}) == ()
    assert grafts_of({}) == ()
    [one] = grafts_of({"start": ({"run": "pretrain"},)}, {"pretrain": "/w/pretrain"})
    assert one == Graft("/w/pretrain")
    with pytest.raises(ValueError, match="no field 'tke': did you mean 'take'"):
        grafts_of({"start": ({"run": "a", "tke": "params"},)})
    with pytest.raises(ValueError, match="needs the folder of a run"):
        grafts_of({"start": ({"take": "params"},)})
