"""Images that a table lists, with labels or with captions."""

import json

import numpy as np
import pytest

from sslax import data

ALONE = {"process_index": 0, "process_count": 1}


def test_a_table_of_files_labels_and_splits(folder):
    root = folder({f"pics/{i}.jpg": None for i in range(4)})
    table = "file,label,split\npics/3.jpg,dog,train\npics/0.jpg,cat,train\n"
    (root / "list.csv").write_text(table + "pics/1.jpg,cow,test\n")
    train = data.source(f"listed:{root}/list.csv")
    assert train.class_names == ("cat", "cow", "dog")
    assert [example["label"] for example in train] == [2, 0]
    assert train.where(0).endswith("pics/3.jpg")
    test = data.source(f"listed:{root}/list.csv/test")
    assert test.labels.tolist() == [1]
    call = {"name": "listed", "path": f"{root}/list.csv", "split": "test"}
    assert data.test_of(f"listed:{root}/list.csv") == call
    with pytest.raises(ValueError, match=r"no rows of the split 'val'; it has \['test"):
        data.listed(path=root / "list.csv", split="val")


def test_a_table_without_labels(folder):
    root = folder({"a b.jpg": None, "c.jpg": None})
    (root / "list.tsv").write_text("file\tother\na b.jpg\t1\nc.jpg\t2\n")
    source = data.listed(path=root / "list.tsv")
    assert source.num_classes is None
    assert len(data.in_memory(source)) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", "name,label\na.jpg,b\n", r"a column 'file'.*has \['name', 'label"),
        ("list.csv", "", "it has no rows"),
        ("list.xls", "file\na.jpg\n", "is no table"),
        ("list.csv", "file,label\na.jpg,x\nb.jpg,\n", "'b.jpg' has no label"),
    ],
)
def test_tables_that_are_wrong(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        data.listed(path=tmp_path / name)


@pytest.fixture
def captions(folder):
    root = folder({f"{i}.jpg": None for i in range(3)})
    rows = [
        {"file": "2.jpg", "captions": ["a dog", "ein Hund im Gras", "un chien"]},
        {"file": "0.jpg", "caption": "Zoë"},
    ]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (root / "captions.jsonl").write_text(lines, encoding="utf-8")
    return root


def read(tokens):
    return bytes(int(t) for t in tokens if t).decode(errors="replace")


def test_captions_are_bytes_and_one_is_drawn_each_time(captions):
    source = data.captioned(path=captions, context=8)
    assert len(source) == 2
    loader = data.loader(source, batch_size=2, seed=1, **ALONE)
    assert loader.shapes["text"].shape == (2, 8)
    seen: dict[int, set] = {0: set(), 1: set()}
    for step in range(30):
        batch = loader.batch(step)
        assert batch["text"].dtype == np.int32
        for index, text in zip(batch["index"], batch["text"], strict=True):
            seen[int(index)].add(read(text))
    assert seen == {0: {"a dog", "ein Hund", "un chien"}, 1: {"Zoë"}}
    again = data.loader(source, batch_size=2, seed=1, **ALONE).batch(7)
    np.testing.assert_array_equal(again["text"], loader.batch(7)["text"])


def test_captions_by_rows_and_by_a_tokenizer(folder):
    root = folder({"a.jpg": None, "b.jpg": None})
    (root / "captions.csv").write_text(
        'file,caption\na.jpg,"one, two"\nb.jpg,three\na.jpg,four five six\n'
    )
    source = data.captioned(
        path=root, context=3, tokenize=lambda text: [len(w) for w in text.split()]
    )
    assert len(source) == 2
    texts = {tuple(source.read([0], [draw])[0]["text"].tolist()) for draw in range(9)}
    assert texts == {(4, 3, 0), (4, 4, 3)}
    assert source[1]["text"].tolist() == [5, 0, 0]


def test_captions_that_are_missing(folder, tmp_path):
    with pytest.raises(ValueError, match=r"has none of captions\.csv, captions\.tsv"):
        data.captioned(path=tmp_path)
    root = folder({"a.jpg": None})
    (root / "captions.csv").write_text("file,text\na.jpg,b\n")
    with pytest.raises(ValueError, match=r"'a\.jpg' has no caption"):
        data.captioned(path=root)
    with pytest.raises(ValueError, match="context is 0"):
        data.captioned(path=root, context=0)
