"""Arrows point down only: what each layer may import, read from the source."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sslax"
BOTTOM = {"jax", "optax", "numpy", "jaxtyping", "typing_extensions"}

# Layer -> third-party packages and parts of sslax that it may import.
LAYERS = {
    "core": (BOTTOM, set()),
    "kinds": (BOTTOM, set()),
    "calls": (set(), set()),
    "losses": (BOTTOM, {"losses"}),
    "augment": (BOTTOM, {"augment"}),
    "memory": (BOTTOM, {"losses"}),
    "schedules": (BOTTOM, set()),
    "optim": (BOTTOM, {"optim", "schedules"}),
    "models": (BOTTOM | {"flax"}, {"models", "core", "platforms"}),
    "views": (BOTTOM, {"augment", "kinds", "views"}),
    "methods": (
        BOTTOM,
        {"methods", "losses", "augment", "memory", "schedules", "models", "core"},
    ),
    "convert": (
        BOTTOM | {"safetensors", "torch"},
        {"convert", "models", "calls", "core"},
    ),
    "platforms": (BOTTOM, set()),
    "rates": (set(), {"calls", "schedules"}),
    "sharding": (BOTTOM, set()),
    "step": (BOTTOM, {"core", "platforms", "sharding"}),
}
TOP = {"data", "evaluate", "plan", "train"}


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
        if (p.suffix == ".py" or (p / "__init__.py").exists()) and p.stem[0] != "_"
    }
    assert parts == set(LAYERS) | TOP


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_down(layer):
    packages, parts = LAYERS[layer]
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
    for path in files("methods"):
        if path.name != "__init__.py":
            private = {n for n in imports(path) if n.startswith("sslax.methods")}
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
