"""The laws of the house, held by reflection over every public function."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sslax"
MODULES = [
    "arrays",
    "annotations",
    "augment",
    "calls",
    "checks",
    "convert",
    "core",
    "data",
    "environments",
    "evaluate",
    "evaluate.tasks",
    "kinds",
    "losses",
    "memory",
    "methods",
    "models",
    "optim",
    "plan",
    "platforms",
    "schedules",
    "sharding",
    "step",
    "views",
]
# What has no paper needs no reference; what has no array form needs no example.
SOURCED = {"losses", "methods"}
WITH_EXAMPLE = {"augment", "losses", "memory", "methods", "models", "optim", "views"}


def public(module_name):
    module = importlib.import_module(f"sslax.{module_name}")
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value):
            yield name, value


FUNCTIONS = [
    pytest.param(m, n, f, id=f"{m}.{n}") for m in MODULES for n, f in public(m)
]


@pytest.mark.parametrize("module_name", MODULES)
def test_all_is_sorted_and_real(module_name):
    module = importlib.import_module(f"sslax.{module_name}")
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize(("module_name", "name", "function"), FUNCTIONS)
def test_docstring_is_complete(module_name, name, function):
    text = inspect.getdoc(function) or ""
    parameters = inspect.signature(function).parameters
    if parameters:
        assert "Args:" in text
    for parameter in parameters.values():
        stars = {"VAR_POSITIONAL": r"\*", "VAR_KEYWORD": r"\*\*"}
        prefix = stars.get(parameter.kind.name, "")
        # One line of Args may document several names.
        assert re.search(rf"(^|[\s,`]){prefix}{parameter.name}\b", text), parameter.name
    assert "Returns:" in text or "Yields:" in text or _returns_none(function)
    if "raise ValueError" in inspect.getsource(function):
        assert "Raises:" in text
    if module_name in SOURCED:
        assert "References:" in text
    if module_name in WITH_EXAMPLE:
        assert ">>>" in text


def _returns_none(function):
    return inspect.signature(function).return_annotation in (None, "None")


@pytest.mark.parametrize(("module_name", "name", "function"), FUNCTIONS)
def test_hyperparameters_are_keyword_only(module_name, name, function):
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.name not in ("rng", "prng", "seed_key", "prng_key")
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            has_default = parameter.default not in (parameter.empty, None)
            assert not has_default, f"{parameter.name} has a default and no star"


@pytest.mark.parametrize(("module_name", "name", "function"), FUNCTIONS)
def test_key_comes_first_in_image_functions(module_name, name, function):
    names = list(inspect.signature(function).parameters)
    if module_name in ("augment", "views") and "key" in names:
        assert names[0] == "key"


def sources():
    return sorted(PACKAGE.rglob("*.py"))


def test_files_and_functions_are_small():
    for path in sources():
        tree, lines = ast.parse(path.read_text()), path.read_text().count("\n")
        assert lines <= 300, f"{path} has {lines} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                size = code_lines(node)
                assert size <= 60, f"{path.name}:{node.name} has {size} lines of code"
                deep = nesting(node)
                assert deep <= 3, f"{path.name}:{node.name} is nested {deep} deep"


def code_lines(node: ast.FunctionDef) -> int:
    body = node.body
    if ast.get_docstring(node):
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def nesting(node: ast.AST) -> int:
    """How many blocks lie in each other, inner functions apart; elif is no block."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            continue
        is_block = isinstance(child, (ast.If, ast.For, ast.While, ast.With, ast.Try))
        is_elif = isinstance(node, ast.If) and node.orelse == [child]
        deepest = max(deepest, nesting(child) + (is_block and not is_elif))
    return deepest


def test_no_class_outside_models_core_data():
    for path in sources():
        part = path.relative_to(PACKAGE).parts[0]
        if part in ("models", "core.py", "data"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base) for base in node.bases]
                assert bases == ["NamedTuple"], f"{path.name} has class {node.name}"


def test_names_say_what_things_are():
    for path in sources():
        assert not re.search(r"util|helper|misc", path.stem), path
