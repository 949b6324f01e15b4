"""Texts to numbers."""

import pickle

import numpy as np
import pytest

from sslax import data

TEXTS = ["a red disc", "a red ring", "the disc is red", "Zoë's café, 12!"]


def test_a_row_is_a_start_the_text_an_end_and_zeros():
    made = data.byte_pairs(words=540, context=12).trained(TEXTS)
    rows = made(["a  RED disc", "a red disc"])
    np.testing.assert_array_equal(rows[0], rows[1])
    numbers = rows[0].tolist()
    end = numbers.index(539)
    assert numbers[0] == 538
    assert 0 < end < 11
    assert max(numbers) == 539
    assert not any(numbers[end + 1 :])


def test_frequent_words_are_one_token_and_unseen_signs_are_bytes():
    made = data.byte_pairs(words=540, context=40).trained(TEXTS)
    often, *rest = (made([text])[0] for text in ("red", "日本", "x y", "xy"))
    assert np.count_nonzero(often) == 3
    counts = [int(np.argmax(row)) - 1 for row in rest]
    assert counts == [6, 2, 2]
    assert not np.array_equal(rest[1], rest[2]), "the end of a word is told"


def test_a_vocabulary_is_kept_as_text_and_travels(tmp_path):
    made = data.byte_pairs(words=540, context=12).trained(TEXTS)
    (tmp_path / "words.json").write_text(made.stored)
    opened = data.byte_pairs(words=540, context=12, file=str(tmp_path / "words.json"))
    for other in (opened, pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(other(TEXTS), made(TEXTS))
    again = data.byte_pairs(words=540, context=12).trained(TEXTS)
    assert again.stored == made.stored


def test_long_texts_are_an_error_or_are_cut():
    long = "a " * 20
    with pytest.raises(ValueError, match=r"20 tokens, and a context of 8.*cut=True"):
        data.utf8(context=8, cut=False)([long[:39].replace(" ", "")])
    row = data.utf8(context=8)([long])[0]
    assert row[-1] == 257
    assert np.count_nonzero(row) == 8


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.byte_pairs(words=100), "words is 100; all bytes take 514"),
        (lambda: data.utf8(context=2), "context is 2"),
        (lambda: data.byte_pairs(file="/no/such.json"), "does not exist"),
        (lambda: data.byte_pairs()(["a"]), "no vocabulary yet"),
        (lambda: data.utf8()(["  "]), "a text is empty"),
        (lambda: data.byte_pairs().restored("{"), "vocabulary cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_released_vocabulary_is_that_of_clip():
    """Known numbers of the released tokenizer."""
    pytest.importorskip("open_clip", reason="ships the released vocabulary")
    rows = data.clip_byte_pairs(context=9)(["a photo of a cat."])
    assert rows[0].tolist() == [49406, 320, 1125, 539, 320, 2368, 269, 49407, 0]


def test_the_package_with_the_released_vocabulary_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install --no-deps open_clip_torch"):
        data.clip_byte_pairs()
