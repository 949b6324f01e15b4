"""Every stored case whose topic has an adapter, in float32 and in float64."""

import pytest

from tests.goldens import check

CASES = [
    pytest.param(case, family, id=case["id"])
    for family in check.FAMILIES
    for case in check.read_cases(check.HERE / family)
    if check.adapter_of(case, family)
]


@pytest.mark.parametrize(("case", "family"), CASES)
def test_case(case, family):
    folder = check.HERE / family
    failures = [
        f"{precision}: {text}"
        for precision in ("float32", "float64")
        for text in check.check_case(case, folder, family, precision).failures
    ]
    assert not failures


@pytest.mark.parametrize("family", check.FAMILIES)
def test_every_topic_has_an_adapter(family):
    cases = check.read_cases(check.HERE / family)
    assert all(check.adapter_of(case, family) for case in cases)


def test_references_that_overflow_are_finite_here():
    """The float32 run above is compared with the float64 reference in these."""
    cases = check.read_cases(check.HERE / "contrastive")
    overflow = {case["id"] for case in cases if case["loss_f32"] is None}
    assert {"sinkhorn_ill_1", "swav_ill_1"} <= overflow
