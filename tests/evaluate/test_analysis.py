"""Attention maps and CKA at their limits; values are held by the reference cases."""

import numpy as np
import pytest

from sslax import evaluate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype(np.float32)


def own_patch(n):
    """Each query looks at itself alone; one class token in front."""
    return np.eye(n + 1, dtype=np.float32)[None, None].repeat(2, axis=1)


def test_attention_of_a_patch_to_itself():
    attention = own_patch(6)
    where = dict(grid=(2, 3), patch_size=16.0)
    assert evaluate.attention_distance(attention, **where).tolist() == [[0.0, 0.0]]
    np.testing.assert_allclose(evaluate.attention_entropy(attention), 0.0, atol=1e-6)
    np.testing.assert_allclose(evaluate.head_divergence(attention), 0.0, atol=1e-6)
    np.testing.assert_allclose(
        evaluate.attention_information(attention), 1.0, atol=1e-4
    )


def test_even_attention_and_queries_that_see_only_the_class_token():
    even = np.full((1, 2, 7, 7), 1 / 7, np.float32)
    only_class = np.zeros_like(even)
    only_class[..., 0] = 1.0
    distances = np.asarray(evaluate.patch_distances(grid=(2, 3), patch_size=16.0))
    assert distances[0, 5] == pytest.approx(16 * 5**0.5)
    for attention in (even, only_class):
        where = dict(grid=(2, 3), patch_size=16.0)
        found = evaluate.attention_distance(attention, **where)
        np.testing.assert_allclose(found, distances.mean(), rtol=1e-5)
        found = evaluate.attention_entropy(attention)
        np.testing.assert_allclose(found, np.log(6), rtol=1e-5)
    np.testing.assert_allclose(evaluate.attention_information(even), 0.0, atol=1e-5)


def test_cka_ignores_rotation_and_scale_and_sees_the_rest(rng):
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    same = (5 * X @ rotation + 2.0).astype(np.float32)
    other = rng.normal(size=(40, 3)).astype(np.float32)
    for cka in (evaluate.linear_cka, evaluate.rbf_cka):
        assert cka(X, same) == pytest.approx(1.0, abs=1e-4)
        assert cka(X, other) < 0.6
        assert cka(X, np.ones((40, 3), np.float32)) == pytest.approx(0.0, abs=1e-6)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"the same 2 or more images.*\(40, 6\)"):
        evaluate.linear_cka(X, X[:3])
    with pytest.raises(ValueError, match=r"\[b heads n n\].*\(40, 6\)"):
        evaluate.attention_entropy(X)
    with pytest.raises(ValueError, match="3 x 3 has 9 patches, but attention has 6"):
        evaluate.attention_distance(own_patch(6), grid=(3, 3), patch_size=16.0)
    with pytest.raises(ValueError, match="between heads; attention has 1"):
        evaluate.head_divergence(own_patch(6)[:, :1])
    with pytest.raises(ValueError, match="class_tokens=7 of 7"):
        evaluate.attention_entropy(own_patch(6), class_tokens=7)
