"""The method that the README shows is a method."""

import re
from pathlib import Path

import jax
import optax

from experiments import draw_methods_table
from sslax import augment, models, step, views
from tests import toys

ROOT = Path(__file__).parent.parent


def test_the_method_of_the_readme_trains():
    text = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "A method in 15 lines" in text
    assert sum(bool(line) for line in code.splitlines()) <= 15
    names: dict = {}
    exec(code, names)
    method = names["simclr"](models.convnet(widths=(4, 8)), dim=4)
    make = toys.TOYS["simclr"]().views
    tx = {"ssl": optax.sgd(0.1)}
    state = jax.eval_shape(
        lambda b: step.init_state(method, tx, make, b, jax.random.key(0)),
        toys.batch(),
    )
    _, metrics = jax.eval_shape(
        lambda s, b: step.train_step(method, tx, make, s, b, jax.random.key(0)),
        state,
        toys.batch(),
    )
    assert metrics["ssl/loss"].shape == ()
    assert set(state.params) == {"encoder", "projector"}


def test_the_table_of_methods_is_up_to_date():
    text = draw_methods_table.README.read_text()
    assert draw_methods_table.drawn(text) == text, (
        "run python -m experiments.draw_methods_table"
    )


def test_paths_in_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    paths = re.findall(r"`((?:configs|sslax|docs|experiments)/[\w./-]+)", text)
    paths += re.findall(r"\]\(([\w./-]+)\)", text)
    assert len(paths) > 8
    for path in paths:
        assert (ROOT / path).exists(), path


# What gives tables, numbers or functions, and no picture.
NO_PICTURE = {
    "augment": """BlockMask RandomMask ab_centres ab_grid ab_prior ab_to_index
        affine_matrix choose_permutations grid_pairs hamming_distances nearest_centre
        neighbour_label patch_scores permutation_set puzzles random_ratio to_float
        unit_mask_from_order whole_box""",
    # Masks are shown by those of augment, and by `masked`.
    "views": "center hide_blocks hide_patches hide_some hide_units normalized view",
}


def test_every_image_function_and_builder_has_its_picture():
    text = (ROOT / "docs/augment.md").read_text()
    for module in (augment, views):
        name = module.__name__.rpartition(".")[2]
        for function in sorted({*module.__all__} - {*NO_PICTURE[name].split()}):
            assert re.search(rf"^### {function}(_\w+)?$", text, re.MULTILINE), function
    for path in re.findall(r"\]\((augment/\w+\.png)\)", text):
        assert (ROOT / "docs" / path).exists(), path
