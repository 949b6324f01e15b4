"""Arrows point down only: what each layer may import, read from the source."""

import ast
import sys
from pathlib import Path

import pytest

from sslax import methods

PACKAGE = Path(__file__).parent.parent / "sslax"
BOTTOM = {"jax", "optax", "numpy", "jaxtyping", "typing_extensions"}

RUN = BOTTOM | {"absl", "etils"}
HOST = {"array_record", "etils", "grain", "sklearn", "tensorflow_datasets", "PIL"}
HOST |= {"av", "kaldi_native_fbank", "skimage"}  # video
HOST |= {"tokenizers"}  # captions
HOST |= {"tifffile", "imagecodecs"}  # bands, 16 bits

FLOOR = {"arrays", "checks"}  # what everyone may import

# From the floor up: third-party packages and parts of sslax that each may import.
LAYERS = {
    "arrays": (BOTTOM, set()),
    "checks": (BOTTOM, set()),
    "core": (BOTTOM, set()),
    "nets": (BOTTOM, {"core"}),
    "kinds": (BOTTOM, set()),
    "annotations": (BOTTOM, set()),
    "platforms": (BOTTOM, set()),
    "scratch": (BOTTOM, set()),
    "losses": (BOTTOM, {"losses"}),
    "augment": (BOTTOM, {"augment"}),
    "memory": (BOTTOM, set()),
    "schedules": (BOTTOM, set()),
    "optim": (BOTTOM, {"optim", "schedules"}),
    "models": (BOTTOM | {"flax"}, {"models", "core", "platforms"}),
    "views": (BOTTOM, {"augment", "core", "kinds", "platforms", "views"}),
    "sharding": (BOTTOM, {"core"}),
    "micro_batches": (BOTTOM, {"core"}),
    "step": (BOTTOM, {"core", "micro_batches", "platforms", "sharding"}),
    "methods": (
        BOTTOM,
        {"methods", "losses", "augment", "memory", "schedules", "models", "core"}
        | {"nets"},
    ),
    "data": (BOTTOM | HOST | {"absl", "cv2", "simplejpeg", "tensorflow"}, {"data"}),
    "environments": (
        BOTTOM | {"PIL", "dm_control", "gymnasium"},
        {"environments", "data"},
    ),
    "evaluate": (
        BOTTOM | {"scipy", "sklearn", "threadpoolctl"},
        {"evaluate", "environments", "kinds", "losses", "optim", "schedules", "scratch"}
        | {"views"},
    ),
    "calls": (BOTTOM, {"annotations"}),
    "convert": (
        BOTTOM | {"safetensors", "torch"},
        {"convert", "models", "calls", "core"},
    ),
    "rates": (BOTTOM, {"calls", "schedules"}),
    "program": (
        BOTTOM,
        {"calls", "core", "kinds", "rates", "sharding", "step", "views"},
    ),
    "plan": (
        BOTTOM,
        {"plan", "program", "calls", "core", "data", "models", "sharding", "step"},
    ),
    "train": (
        RUN | {"orbax", "tensorboardX", "wandb"},
        {"train", "program", "calls", "convert", "core", "data", "evaluate", "kinds"}
        | {"augment", "environments", "models", "platforms", "scratch"}
        | {"sharding", "step"},
    ),
    "results": (
        RUN | {"PIL", "pyarrow"},
        {"results", "train", "augment", "convert", "core", "data", "evaluate", "nets"},
    ),
    "stages": (RUN, {"results", "train"}),
    "analyse": (
        BOTTOM,
        {
            "analyse",
            "results",
            "train",
            "calls",
            "convert",
            "core",
            "data",
            "evaluate",
            "kinds",
        }
        | {"models", "views"},
    ),
    "export": (
        BOTTOM | {"jax2onnx", "onnxruntime"},
        {
            "export",
            "results",
            "train",
            "calls",
            "convert",
            "core",
            "augment",
            "kinds",
            "models",
        }
        | {"nets", "platforms", "views"},
    ),
    "commands": (
        RUN | {"ml_collections", "PIL"},
        {
            "commands",
            "analyse",
            "export",
            "results",
            "stages",
            "train",
            "plan",
            "program",
            "convert",
            "core",
            "data",
            "evaluate",
        }
        | {"calls", "kinds", "platforms", "sharding"},
    ),
    "__main__": (set(), {"commands"}),
}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, in full, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} has a relative import"
            if node.module == "sslax":
                found |= {f"sslax.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


def files(layer: str) -> list[Path]:
    single = PACKAGE / f"{layer}.py"
    return [single] if single.exists() else sorted((PACKAGE / layer).rglob("*.py"))


def test_every_part_has_a_layer():
    parts = {
        p.stem
        for p in PACKAGE.iterdir()
        if (p.suffix == ".py" or (p / "__init__.py").exists()) and p.stem != "__init__"
    }
    assert parts == set(LAYERS)


def test_no_layer_imports_one_above_it():
    """No circle either: the table is in order from the floor up."""
    order = list(LAYERS)
    for layer, (_, parts) in LAYERS.items():
        above = {p for p in parts if order.index(p) > order.index(layer)}
        assert not above, f"{layer} may import {above}"


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_down(layer):
    packages, parts = LAYERS[layer][0], LAYERS[layer][1] | FLOOR
    for path in files(layer):
        for name in imports(path):
            root = name.split(".")[0]
            if root == "sslax":
                part = name.split(".")[1]
                assert part in parts, f"{path.name} imports {name}"
            else:
                allowed = root in packages or root in sys.stdlib_module_names
                assert allowed, f"{path.name} imports {name}"


def test_no_method_imports_another():
    """What several share is no method: a file of wiring, which gives none."""
    own = {f"sslax.methods._{name}" for name in methods.__all__}
    for path in files("methods"):
        if path.name != "__init__.py":
            private = own & imports(path)
            assert not private, f"{path.name} imports {private}"


def test_configs_import_only_ml_collections():
    for path in (PACKAGE.parent / "configs").glob("*.py"):
        assert imports(path) <= {"ml_collections", "configs"}, path


@pytest.mark.parametrize("layer", LAYERS)
def test_private_files_are_read_by_their_own_part_alone(layer):
    for path in files(layer):
        for name in imports(path):
            parts = name.split(".")
            foreign = parts[0] == "sslax" and parts[1:2] != [layer]
            private = foreign and any(part.startswith("_") for part in parts)
            assert not private, f"{path.name} imports {name}"
