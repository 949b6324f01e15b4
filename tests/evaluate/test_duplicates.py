"""Rows that are nearly the same, by the definition, whatever the blocks."""

import numpy as np
import pytest

from sslax import evaluate
from sslax.evaluate import _duplicates


def rows(n=60, d=5, seed=0):
    """Features in loose heaps, with some copies."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).astype(np.float32)
    x[n // 2 :] = x[: n - n // 2] + 0.15 * rng.normal(size=(n - n // 2, d))
    x[7], x[40] = 3 * x[3], x[3]
    return x


def cosines(x):
    x = np.float64(x) / np.linalg.norm(np.float64(x), axis=1, keepdims=True)
    return x @ x.T


def slow_groups(pairs):
    groups = []
    for pair in map(set, pairs):
        joined = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair]
        groups.append(pair.union(*joined))
    return sorted((sorted(group) for group in groups), key=lambda g: (-len(g), g[0]))


@pytest.mark.parametrize(("block", "links"), [(7, 2**20), (64, 2**20), (9, 0)])
def test_all_pairs_and_groups_are_found_for_every_block(block, links, monkeypatch):
    monkeypatch.setattr(_duplicates, "_LINKS", links)
    x = rows()
    if not links:  # links are replaced by fewer where they are more than 2 n
        x = np.concatenate([x, np.repeat(x[:1], 30, axis=0)])
    known = cosines(x)
    wanted = [(i, j) for i in range(len(x)) for j in range(i) if known[i, j] >= 0.9]
    found = evaluate.near_duplicates(x, threshold=0.9, block=block)
    assert found.count == len(wanted) > 10
    assert {tuple(pair) for pair in found.pairs} == {(j, i) for i, j in wanted}
    np.testing.assert_allclose(found.cosines, known[tuple(found.pairs.T)], atol=1e-6)
    assert (np.diff(found.cosines) <= 0).all()
    assert [group.tolist() for group in found.groups] == slow_groups(wanted)


def test_only_the_best_pairs_are_kept_and_all_are_counted():
    x = rows()
    whole = evaluate.near_duplicates(x, threshold=0.5)
    some = evaluate.near_duplicates(x, threshold=0.5, most=4, block=8)
    np.testing.assert_allclose(some.cosines, whole.cosines[:4], atol=1e-6)
    assert some.count == whole.count > 100
    for one, other in zip(some.groups, whole.groups, strict=True):
        np.testing.assert_array_equal(one, other)
    copies = evaluate.near_duplicates(x, threshold=1.0)
    assert [group.tolist() for group in copies.groups] == [[3, 7, 40]]
    assert evaluate.near_duplicates(np.eye(3)).groups == ()
    with pytest.raises(ValueError, match=r"a cosine in \(-1, 1\]; got 1.5"):
        evaluate.near_duplicates(x, threshold=1.5)


def test_no_more_than_two_blocks_are_compared_at_a_time(monkeypatch):
    seen, original = [], _duplicates._cosines

    def watched(a, b, *, own):
        seen.append((len(a), len(b)))
        return original(a, b, own=own)

    monkeypatch.setattr(_duplicates, "_cosines", watched)
    evaluate.near_duplicates(rows(50), block=16)
    assert len(seen) == 10
    assert max(seen) == (16, 16)


def test_no_row_is_its_own_neighbour():
    x = rows()
    known = cosines(x) - 9 * np.eye(len(x))
    cosine, near = evaluate.other_neighbours(x, np.array([5, 50]), k=3)
    wanted = np.sort(known[[5, 50]], axis=1)[:, ::-1][:, :3]
    np.testing.assert_allclose(cosine, wanted, atol=1e-6)
    for row, found, values in zip((5, 50), near, cosine, strict=True):
        np.testing.assert_allclose(known[row, found], values, atol=1e-6)
    # Among copies too, and of a set that is smaller than what is asked for.
    same = np.ones((6, 2), np.float32)
    for k, count in ((2, 2), (9, 5)):
        _, near = evaluate.other_neighbours(same, k=k)
        assert near.shape == (6, count)
        assert not (near == np.arange(6)[:, None]).any()
    with pytest.raises(ValueError, match="one row has no neighbours"):
        evaluate.other_neighbours(x[:1])
