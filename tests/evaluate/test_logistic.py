"""Logistic regression against scikit-learn; few-label probes; choice of the penalty."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import evaluate, scratch
from sslax.evaluate import _few_labels, _linear_probe, _logistic, _rows

KEY = jax.random.key(0)


def blobs(n, d=12, classes=4, seed=0, spread=1.5):
    """Overlapping clouds around fixed class means, with columns of different scale."""
    means = np.random.default_rng(7).normal(size=(classes, d))
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % classes).astype(np.int32)
    x = means[y] + spread * rng.normal(size=(n, d))
    return (x * np.geomspace(1.0, 30.0, d) + 3.0).astype(np.float32), y


@pytest.mark.parametrize(("n", "l2"), [(200, 0.03), (200, 1.0), (10, 0.1)])
def test_logistic_regression_is_scikit_learns_optimum(n, l2):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    # 10 rows of 12 dimensions: the span is smaller than the space.
    x, y = blobs(n)
    test, _ = blobs(50, seed=1)
    scaler = StandardScaler().fit(x.astype(np.float64))
    theirs = LogisticRegression(C=1 / (l2 * n), tol=1e-8, max_iter=5000).fit(
        scaler.transform(x), y
    )
    expected = theirs.predict_proba(scaler.transform(test))
    found = evaluate.logistic_regression(
        x, y, test, classes=4, l2=l2, tolerance=1e-5, max_iterations=5000
    )
    np.testing.assert_allclose(jax.nn.softmax(found, axis=1), expected, atol=2e-3)


def test_logistic_regression_ignores_constant_and_repeated_dimensions():
    x, y = blobs(80)
    test, _ = blobs(30, seed=1)
    plain = evaluate.logistic_regression(x, y, test, classes=4, l2=0.1)
    # A copy of a dimension halves the cost of its weight; a constant changes nothing.
    wide = [
        np.concatenate([a, np.full((len(a), 3), 5.0, a.dtype)], 1) for a in (x, test)
    ]
    constant = evaluate.logistic_regression(wide[0], y, wide[1], classes=4, l2=0.1)
    np.testing.assert_allclose(constant, plain, atol=2e-2)
    twice = [np.concatenate([a, a], axis=1) for a in (x, test)]
    repeated = evaluate.logistic_regression(twice[0], y, twice[1], classes=4, l2=0.2)
    np.testing.assert_allclose(repeated, plain, atol=2e-2)


def test_choose_l2_takes_what_generalises_and_repeats_itself():
    # Few noisy rows in many dimensions: a weak penalty fits the noise.
    x, y = blobs(300, d=100, spread=8.0)
    choose = lambda key: evaluate.choose_l2(  # noqa: E731
        x, y, classes=4, key=key, choices=(1e-5, 1.0)
    )
    assert choose(KEY) == choose(KEY) == 1.0
    easy, y = blobs(60, d=2, classes=2, spread=0.01)
    # Equally good: the strongest.
    assert evaluate.choose_l2(easy, y, classes=2, key=KEY, choices=(0.1, 0.3)) == 0.3


def test_few_label_probe_repeats_itself_and_learns_from_more_labels():
    x, y = blobs(400)
    test, truth = blobs(200, seed=1)
    probe = lambda key, **kwargs: evaluate.few_label_probe(  # noqa: E731
        x, y, test, truth, classes=4, key=key, **kwargs
    )
    first = probe(KEY, labels_per_class=(1, 10), draws=4)
    assert first == probe(KEY, labels_per_class=(1, 10), draws=4)
    assert first != probe(jax.random.key(1), labels_per_class=(1, 10), draws=4)
    assert list(first) == [1, 10]
    assert 25 < first[1][0] < first[10][0] < 100
    assert first[1][1] > 0
    assert probe(KEY, labels_per_class=(10,), draws=1)[10][1] == 0.0


def test_many_labels_are_chosen_less_often_unless_a_number_is_given():
    x, y = blobs(500)
    given = dict(classes=4, key=KEY, labels_per_class=(100,))

    def probe(draws):
        return evaluate.few_label_probe(x, y, x, y, draws=draws, **given)[100]

    assert probe(None) == probe(5) != probe(6)
    few = dict(given, labels_per_class=(1,))
    found = evaluate.few_label_probe(x, y, x, y, **few)
    assert found == evaluate.few_label_probe(x, y, x, y, draws=20, **few)


def test_few_label_probe_with_every_label_is_logistic_regression():
    x, y = blobs(80)
    test, truth = blobs(100, seed=1)
    scores = evaluate.logistic_regression(x, y, test, classes=4, l2=0.1)
    expected = 100 * (scores.argmax(axis=1) == truth).mean()
    found = evaluate.few_label_probe(
        x, y, test, truth, classes=4, key=KEY, labels_per_class=(20,), draws=1, l2=0.1
    )
    assert abs(found[20][0] - expected) <= 1.0


def test_labelled_rows_are_balanced_nested_and_of_their_class():
    y = np.random.default_rng(0).integers(0, 3, 90)
    few = evaluate.labelled_rows(y, per_class=2, classes=3, key=KEY)
    more = evaluate.labelled_rows(y, per_class=9, classes=3, key=KEY)
    assert y[few].tolist() == [0, 0, 1, 1, 2, 2]
    assert len(set(more.tolist())) == 27
    assert set(few.tolist()) < set(more.tolist())
    other = evaluate.labelled_rows(y, per_class=2, classes=3, key=jax.random.key(1))
    assert few.tolist() != other.tolist()


def test_bad_input_is_named():
    x, y = blobs(20)
    with pytest.raises(ValueError, match="l2 must be positive and finite; got 0"):
        evaluate.logistic_regression(x, y, x, classes=4, l2=0.0)
    with pytest.raises(ValueError, match="images without a label"):
        evaluate.logistic_regression(x, y - 1, x, classes=4, l2=0.1)
    with pytest.raises(ValueError, match=r"held_out=0\.0 of 20 rows leaves 20"):
        evaluate.choose_l2(x, y, classes=4, key=KEY, held_out=0.0)
    with pytest.raises(ValueError, match="class 0 has 5 of 20 rows"):
        evaluate.labelled_rows(y, per_class=6, classes=4, key=KEY)
    with pytest.raises(ValueError, match="class 4 has 0 of 20 rows"):
        evaluate.labelled_rows(y, per_class=1, classes=5, key=KEY)
    with pytest.raises(ValueError, match=r"test_labels must be \[20\]"):
        evaluate.few_label_probe(x, y, x, y[:3], classes=4, key=KEY)


def test_products_ask_for_full_precision():
    """On TPUs and GPUs the default is bfloat16 or TF32, and L-BFGS gives up early."""
    x, y = jnp.ones((4, 3)), jnp.zeros(4, jnp.int32)
    text = str(jax.make_jaxpr(_logistic._objective)(jnp.ones((4, 2)), x[0], x, y))
    probe = jax.make_jaxpr(lambda p: _linear_probe._logits(p, x))
    text += str(probe({"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}))
    products = re.findall(r"dot_general\[(.*?)\n\s*\]", text, re.DOTALL)
    assert len(products) >= 3
    assert all("HIGHEST" in p for p in products)


def test_a_fit_that_stops_early_says_so():
    x, y = blobs(80)
    with pytest.warns(RuntimeWarning, match="stopped before its optimum after 2 iter"):
        evaluate.logistic_regression(x, y, x, classes=4, l2=0.01, max_iterations=2)


def test_a_penalty_at_the_end_of_its_choices_is_reported():
    x, y = blobs(300, d=100, spread=8.0)
    with pytest.warns(RuntimeWarning, match="a stronger one may be better"):
        evaluate.choose_l2(x, y, classes=4, key=KEY, choices=(1e-5, 1e-4, 1e-2))


def test_a_set_larger_than_the_device_passes_in_blocks(monkeypatch):
    x, y = blobs(200)
    setting = dict(classes=4, l2=0.1)
    whole = evaluate.logistic_regression(x, y, x[:50], **setting)
    few = dict(classes=4, key=KEY, labels_per_class=(2,), draws=3)
    means = evaluate.few_label_probe(x, y, x, y, **few)
    monkeypatch.setattr(_rows, "fits", lambda x, mesh: False)
    monkeypatch.setattr(_logistic, "_BLOCK", 16 * 33)
    blocks = _logistic._blocks(x, y, 4)
    for _ in range(2):  # one pass after the other
        sizes = [(len(rows), int((named >= 0).sum())) for rows, named in blocks()]
        assert sizes == [(29, 29)] * 6 + [(29, 26)]
    found = evaluate.logistic_regression(x, y, x[:50], **setting)
    np.testing.assert_allclose(found, whole, atol=1e-3)
    monkeypatch.setattr(_few_labels, "_LOGITS", 100)
    assert evaluate.few_label_probe(x, y, x, y, **few)[2] == pytest.approx(means[2])


@pytest.mark.parametrize("fits", [True, False])
def test_devices_that_share_the_rows_find_the_same_optimum(fits, monkeypatch):
    x, y = blobs(203)  # 8 devices have 26 rows each, of which five only fill up
    setting = dict(classes=4, l2=0.1)
    whole = evaluate.logistic_regression(x, y, x[:50], **setting)
    monkeypatch.setattr(_rows, "_ALONE", 0)
    monkeypatch.setattr(_rows, "fits", lambda x, mesh: fits)
    ((rows, named),) = _logistic._blocks(x, y, 4)()
    assert {shard.data.shape for shard in rows.addressable_shards} == {(26, x.shape[1])}
    assert (np.asarray(named) < 0).sum() == 5
    found = evaluate.logistic_regression(x, y, x[:50], **setting)
    np.testing.assert_allclose(found, whole, atol=1e-3)


def test_a_large_copy_is_a_file_and_gives_the_same(monkeypatch):
    x, y = blobs(60)
    setting = dict(classes=4, l2=0.1)
    whole = evaluate.logistic_regression(x, y, x, **setting)
    made = []
    original = scratch.empty

    def watched(shape, dtype):
        made.append(original(shape, dtype))
        return made[-1]

    monkeypatch.setattr(scratch, "LARGE", 100)
    monkeypatch.setattr(scratch, "empty", watched)
    found = evaluate.logistic_regression(x, y, x, **setting)
    np.testing.assert_array_equal(found, whole)
    assert all(isinstance(copy, np.memmap) for copy in made)
    assert made
