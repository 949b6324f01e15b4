"""docs/losses.md says of every public loss what its docstring says."""

import pytest

from experiments import draw_losses_table
from sslax import losses

# Without a relative: three serve a method of their own, and everything uses `unit`.
ALONE = {"counting", "koleo", "masked_cross_entropy", "unit"}


@pytest.mark.parametrize("name", losses.__all__)
def test_row_is_complete(name):
    row = draw_losses_table.row(name)
    assert row.line.endswith(".")
    assert row.formula, "no paragraph of the form `loss = ...`"
    assert row.source, 'no reference of the form Authors, "Title", year, place.'
    assert row.relatives or name in ALONE


def test_page_is_up_to_date():
    expected = draw_losses_table.page()
    assert draw_losses_table.PAGE.read_text() == expected, (
        "run python -m experiments.draw_losses_table"
    )


def test_references_are_read():
    text = """References:
      van den Oord et al., "A, B: C", 2018, arXiv:1807.03748, equation 4.
      Tian, Krishnan and Isola, "Views", 2019, arXiv:1906.05849, sections 2 and 3."""
    assert draw_losses_table.source(text) == (
        "van den Oord et al., 2018, arXiv:1807.03748, equation 4; "
        "Tian, Krishnan and Isola, 2019, arXiv:1906.05849, sections 2 and 3"
    )
