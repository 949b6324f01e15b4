"""`sslax export`: each format gives the features that the run is evaluated on."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open

from sslax import calls, convert, data
from sslax.commands import main, options
from sslax.core import Net
from sslax.export import formats
from sslax.export.features import open_features, reads
from sslax.export.hub import hub_files
from sslax.export.run import export_features
from sslax.train import checkpoints
from sslax.train.outputs import outputs_of
from sslax.train.run import build_run
from sslax.train.start import Graft, graft
from sslax.train.workdir import open_workdir
from tests.train import tiny_config

VIT = {"name": "vit", "width": 16, "depth": 1, "heads": 2, "patch_size": 4}
RESNET = {"name": "resnet18", "width": 0.0625}
SWIN = {"name": "swin", "width": 4, "depths": [1, 2], "heads": [1, 2]}
SWIN |= {"window_size": 2, "patch_size": 2}
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)


SIMCLR = {"name": "simclr", "hidden": 8, "dim": 4, "encoder": VIT}


def saved(folder, rng, method):
    """A run of random numbers, which are as good as trained ones: nothing compiles."""
    config = tiny_config.get_config()
    config.normalize = "half"
    config.evaluate.views = dict(
        name="one_view", view=dict(name="center", size=16, resize_to=20)
    )
    config = config.to_dict()
    config["method"] = method
    open_workdir(str(folder), config)
    run = build_run(config)

    def drawn(path, leaf):
        x = np.asarray(rng.normal(size=leaf.shape) / 4)
        x = abs(x) + 0.5 if path[-1] == jax.tree_util.DictKey("var") else x
        return jax.device_put(x.astype(leaf.dtype), leaf.sharding)

    state = jax.tree_util.tree_map_with_path(drawn, run.program.shapes)
    manager = checkpoints.open_checkpoints(str(folder))
    checkpoints.save(manager, state, config, None)
    manager.close()
    return run, state


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    made = saved(folder, np.random.default_rng(1), SIMCLR)
    return str(folder), *made, open_features(str(folder), float32=True)


def seen_by_evaluation(run, state):
    """Features as `sslax embed` writes them."""
    source = data.arrays(IMAGES)
    return outputs_of(run, ("features",))(state, source).outputs["features"]


def as_floats(images):
    return np.float32(images) / 255


def test_a_program_needs_no_sslax_and_takes_any_batch(vit, tmp_path, capsys):
    folder, run, state, _ = vit
    out = tmp_path / "features.stablehlo"
    arguments = ["--workdir", folder, "--format=jax", "--out", str(out)]
    parsed = options.parse("export", arguments)
    parsed.say = lambda text: None
    assert main.guarded("export", parsed) == 0
    assert capsys.readouterr().out == f"16 features of images 16x16x3: {out}\n"
    program = jax.export.deserialize(bytearray(out.read_bytes()))
    assert program.platforms == ("cpu", "cuda", "tpu")
    wanted = seen_by_evaluation(run, state)
    got = program.call(as_floats(IMAGES))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    one = program.call(as_floats(IMAGES[1:2]))
    np.testing.assert_allclose(one, wanted[1:2], rtol=1e-5, atol=1e-5)
    told = json.loads((tmp_path / "features.stablehlo.json").read_text())
    assert told["input"]["shape"] == ["batch", 16, 16, 3]
    assert told["output"]["shape"] == ["batch", 16]
    assert told["before"] == {"name": "center", "size": 16, "resize_to": 20}
    assert told["inside"]["normalize"] == {"mean": [0.5] * 3, "deviation": [0.5] * 3}
    assert told["method"], told["step"] == ("simclr", 0)


def test_what_is_there_is_not_written_over(vit, tmp_path):
    folder = vit[0]
    (tmp_path / "x.json").write_text("mine")
    for name in ("x", "x.json"):
        with pytest.raises(ValueError, match=r"x.json' exists already"):
            export_features(folder, str(tmp_path / name), form="jax")
    with pytest.raises(ValueError, match="are of no image size"):
        export_features(folder, str(tmp_path / "y"), form="safetensors", image_size=32)
    with pytest.raises(ValueError, match="normalizes as its config says"):
        export_features(folder, str(tmp_path / "y"), form="jax", normalize="half")
    with pytest.raises(ValueError, match="holds no run"):
        export_features(str(tmp_path), str(tmp_path / "y"), form="jax")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_arrays_of_a_run_are_all_there_and_another_goes_on_from_them(vit, tmp_path):
    folder, _, state, _ = vit
    out = str(tmp_path / "run.safetensors")
    export_features(folder, out, form="safetensors")
    with safe_open(out, "np") as file:
        header = file.metadata()
        about = json.loads(header["features"])
        encoder = {name: file.get_tensor(name) for name in about["reads"]}
    assert json.loads(header["config"])["method"]["encoder"] == VIT
    assert all(name.startswith("params/encoder/") for name in encoder)
    own = jax.tree.leaves(state.params["encoder"])
    assert len(encoder) == len(own)
    empty = jax.tree.map(lambda x: jnp.full_like(x, 7), state)
    after = graft(empty, [Graft(out, take="params", put="params")])
    chex.assert_trees_all_equal(after.params, state.params)  # heads too
    chex.assert_trees_all_equal(after.extra["stats"], state.extra["stats"])


def test_the_teacher_is_what_is_read_where_it_is_evaluated(tmp_path, rng):
    sizes = {"dim": 8, "hidden": 8, "bottleneck": 4}
    net = {"name": "convnet", "widths": [4], "norm": "batch"}
    saved(tmp_path / "run", rng, {"name": "dino", "encoder": net, **sizes})
    features = open_features(str(tmp_path / "run"))
    assert {"/".join(name.split("/")[:3]) for name in reads(features)} == {
        "extra/teacher/encoder",
        "extra/teacher_stats/encoder",
    }
    with pytest.raises(ValueError, match="no network that is 'convnet'"):
        hub_files(features)


def test_a_network_of_timm(vit):
    """What tests/convert/test_timm.py holds against timm itself, where it is there."""
    _, _, state, features = vit
    config, tensors = hub_files(features)
    assert config["architecture"] == "vit_base_patch16_224"
    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 1}
    assert config["model_args"] == {**sizes, "num_heads": 2}
    cfg = config["pretrained_cfg"]
    assert (cfg["input_size"], cfg["crop_pct"]) == ([3, 16, 16], 0.8)
    assert cfg["mean"] == cfg["std"] == [0.5, 0.5, 0.5]
    params = jax.device_get(state.params["encoder"])
    wanted = convert.to_torch(params, {}, model=VIT, image_size=16)
    chex.assert_trees_all_equal(tensors, wanted)


def test_features_that_timm_would_not_give_are_refused(vit):
    features = vit[-1]
    doubled = features._replace(compute=lambda *x: 2 * features.compute(*x))
    with pytest.raises(ValueError, match="are not what the network at"):
        hub_files(doubled)
    several = features._replace(
        compute=lambda p, e, x: (
            features.compute(p, e, x) + p["projector"]["linear1"]["kernel"].sum()
        )
    )
    with pytest.raises(ValueError, match="not of one network, but of"):
        hub_files(several)


NETS = {
    "resnet": (RESNET, 32),
    "vit": (VIT, 16),
    "swin": (SWIN, 16),
}


def weights(name, folder):
    """Converted weights, images, and what the network makes of them."""
    call, side = NETS[name]
    rng, net = np.random.default_rng(0), calls.build(call, Net)
    images = rng.random((3, side, side, 3), np.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), images)
    params, stats = jax.tree.map(
        lambda x: (0.3 * np.abs(rng.normal(size=x.shape)) + 0.1).astype(x.dtype), shapes
    )
    wanted = jax.jit(net.apply)(params, stats, (images - 0.5) / 0.5)[0]
    convert.save(folder / name, params, stats, model=call, image_size=side)
    return str(folder / name), images, np.asarray(wanted)


def test_converted_weights_as_a_program(tmp_path):
    folder, images, wanted = weights("swin", tmp_path)
    export_features(folder, str(tmp_path / "x"), form="jax", normalize="half")
    program = jax.export.deserialize(bytearray((tmp_path / "x").read_bytes()))
    np.testing.assert_allclose(program.call(images), wanted, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")  # of jax2onnx, on deprecated parts of JAX
@pytest.mark.parametrize("name", NETS)
def test_converted_weights_as_a_graph(name, tmp_path, monkeypatch):
    pytest.importorskip("jax2onnx", reason="pip install 'sslax[export]'")
    import onnxruntime

    folder, images, wanted = weights(name, tmp_path)
    path = tmp_path / "x.onnx"
    monkeypatch.setattr(formats, "_check_graph", lambda *_: None)  # is checked here
    export_features(folder, str(path), form="onnx", normalize="half")
    session = onnxruntime.InferenceSession(str(path))
    beside = json.loads((tmp_path / "x.onnx.json").read_text())
    told = json.loads(session.get_modelmeta().custom_metadata_map["sslax"])
    assert told == beside
    assert [x.name for x in session.get_inputs()] == ["images"]
    for some in (images, images[:1]):
        (got,) = session.run(["features"], {"images": some})
        np.testing.assert_allclose(got, wanted[: len(some)], rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_a_graph_that_is_another_function_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("jax2onnx", reason="pip install 'sslax[export]'")
    folder, _, _ = weights("vit", tmp_path)
    traced = formats._traced
    monkeypatch.setattr(
        formats, "_traced", lambda *given: lambda x: 1.01 * traced(*given)(x)
    )
    with pytest.raises(ValueError, match="another function of this network"):
        export_features(folder, str(tmp_path / "x"), form="onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["vit"]


def test_another_size_of_image(tmp_path, rng):
    """Positions are interpolated; what cannot be is refused before any file is."""
    net, large = calls.build(VIT, Net), tmp_path / "large"
    small = jnp.zeros((1, 16, 16, 3))
    shapes = jax.eval_shape(net.init, jax.random.key(0), small)
    params, _ = jax.tree.map(lambda x: rng.normal(size=x.shape) / 4, shapes)
    params = jax.tree.map(np.float32, params)
    folder = str(tmp_path / "weights")
    convert.save(folder, params, {}, model=VIT, image_size=16)
    given = {"form": "jax", "normalize": "half"}
    export_features(folder, str(large), **given, image_size=24)
    images = rng.random((2, 24, 24, 3), np.float32)
    got = jax.export.deserialize(bytearray(large.read_bytes())).call(images)
    wanted = jax.jit(net.apply)(params, {}, (images - 0.5) / 0.5)[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    told = json.loads((tmp_path / "large.json").read_text())
    assert told["before"] == {"name": "center", "size": 24}
    with pytest.raises(ValueError, match="have no step"):
        export_features(folder, str(tmp_path / "no"), **given, step=3)
    with pytest.raises(ValueError, match="the nearest sizes are 20, 24"):
        export_features(folder, str(tmp_path / "no"), **given, image_size=22)
    assert not (tmp_path / "no").exists()
    # timm would resize by another rule: the table goes out for this size.
    export_features(folder, str(tmp_path / "hub"), form="hf", image_size=24)
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert config["model_args"]["img_size"] == 24
    tensors = convert.read_tensors(tmp_path / "hub" / "model.safetensors")
    assert tensors["pos_embed"].shape == (1, 37, 16)
