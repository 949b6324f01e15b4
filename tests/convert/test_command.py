"""`sslax convert`: files in, folders out, and back; a run's encoder out."""

import json
import os
import subprocess
import sys

import chex
import numpy as np
import pytest

from sslax import convert
from sslax.commands import main
from sslax.commands.convert import export_weights, import_weights
from sslax.commands.options import parse
from sslax.train.stored import stored
from tests.convert.networks import NETWORKS, VIT, random_arrays, struct

CALL = '{"name": "vit", "width": 16, "depth": 2, "heads": 2, "patch_size": 4}'


@pytest.fixture
def file(tmp_path, rng):
    """A file as a method's authors write it: a teacher, a student, heads."""
    params, stats = random_arrays(rng, VIT, (struct(1, 16, 16, 3),))
    tensors = convert.to_torch(params, stats, model=VIT, image_size=16)
    content = {f"teacher.backbone.{k}": v for k, v in tensors.items()}
    content |= {f"student.module.backbone.{k}": v + 1 for k, v in tensors.items()}
    content["teacher.head.mlp.0.weight"] = np.zeros((3, 16), np.float32)
    path = tmp_path / "file.safetensors"
    convert.write_tensors(path, content)
    return path, params, tensors


def test_a_file_becomes_a_folder_and_a_file_again(tmp_path, file, capsys):
    path, params, tensors = file
    folder = str(tmp_path / "net")
    import_weights(str(path), folder, model=CALL, source="timm", image_size=16)
    printed = capsys.readouterr().out
    assert "30 tensors read under 'teacher.backbone.'" in printed
    assert "left out: 1 under teacher.head" in printed
    _, read, _ = convert.load(folder)
    chex.assert_trees_all_equal(read, params)
    out = str(tmp_path / "again.safetensors")
    export_weights(folder, out, source="timm")
    chex.assert_trees_all_equal(convert.read_tensors(out), tensors)
    for function, args in (
        (export_weights, (folder, out)),
        (import_weights, (str(path), folder)),
    ):
        options = {} if function is export_weights else {"model": CALL}
        with pytest.raises(ValueError, match="exists already"):
            function(*args, source="timm", **options)


def test_nothing_is_written_of_what_does_not_fit(tmp_path, file):
    path, _, _ = file
    before = sorted(tmp_path.iterdir())
    for options, message in (
        ({"model": CALL}, r"pos_embed is \[1, 17, 16\], not \[1, 3137, 16\]"),
        ({"model": "vit_small_patch16_224"}, r"missing: .*blocks\.11\.norm1\.weight"),
        ({"model": CALL[:-1]}, "is not JSON"),
        ({"model": CALL, "prefix": "student."}, r"missing: student\.cls_token"),
    ):
        with pytest.raises(ValueError, match=message):
            import_weights(str(path), str(tmp_path / "net"), source="timm", **options)
    os.truncate(path, path.stat().st_size - 5)
    with pytest.raises(ValueError, match="damaged"):
        import_weights(str(path), str(tmp_path / "net"), model=CALL, source="timm")
    assert sorted(tmp_path.iterdir()) == before


def test_a_decoder_is_read_with_the_shapes_of_its_inputs(tmp_path, rng, capsys):
    """So a published run goes on with its decoder; wrong shapes are told before."""
    call, inputs, _ = NETWORKS["mae_decoder"]
    params, _ = random_arrays(rng, call, inputs)
    tensors = convert.to_torch(params, {}, model=call, source="torch", inputs=inputs)
    path, folder = tmp_path / "full.safetensors", tmp_path / "decoder"
    convert.write_tensors(path, {**tensors, "cls_token": np.zeros((1, 1, 12))})
    given = ["--from=torch", str(path), "--out", str(folder)]
    given += ["--model", json.dumps(call)]
    for shapes, status in (("1x3x,1x9:int32", 2), ("1x3x12,1x9:int32", 0)):
        parsed = parse("convert", [*given, f"--inputs={shapes}"])
        parsed.say = lambda text: None
        assert main.guarded("convert", parsed) == status
    assert "not understood at '1x3x'" in capsys.readouterr().err
    _, read, _ = convert.load(folder)
    chex.assert_trees_all_equal(read, params)
    assert stored(str(folder)).shapes["params/encoder/mask_token"].shape == (1, 1, 8)


def sslax(*arguments):
    code = "from sslax.commands.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line(tmp_path, file):
    path, params, _ = file
    folder = tmp_path / "net"
    options = (f"--model={CALL}", "--image_size=16", f"--out={folder}")
    done = sslax("convert", "--from=timm", path, *options)
    assert done.returncode == 0, done.stderr
    assert "30 tensors read" in done.stdout
    chex.assert_trees_all_equal(convert.load(folder)[1], params)
    wrong = sslax("convert", path, *options)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("sslax convert: give --from and one file, or --to")
