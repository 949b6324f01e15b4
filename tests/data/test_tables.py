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


def test_an_image_that_is_not_there_is_named_at_once(folder):
    root = folder({"a.jpg": None})
    (root / "list.csv").write_text("file\na.jpg\nb.jpg\n")
    with pytest.raises(ValueError, match=r"lists 1 images that are .*first 'b\.jpg'"):
        data.listed(path=root / "list.csv")


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


def test_one_of_several_captions_is_drawn_each_time(captions):
    source = data.captioned(path=captions)
    assert source.captions(0) == ("a dog", "ein Hund im Gras", "un chien")
    source = data.tokenized(of=source, tokenizer=data.utf8(context=10))
    loader = data.loader(source, batch_size=2, seed=1, **ALONE)
    assert loader.shapes["text"].shape == (2, 10)
    assert loader.memory, "pictures are held, captions are drawn"
    outside = data.loader(source, batch_size=2, seed=1, memory=False, **ALONE)
    seen: dict[int, set] = {0: set(), 1: set()}
    for step in range(30):
        batch = loader.batch(step)
        assert batch["text"].dtype == np.int32
        for index, text in zip(batch["index"], batch["text"], strict=True):
            seen[int(index)].add(bytes(t for t in text.tolist() if 0 < t < 256))
    cut = "a dog", "ein Hund", "un chien"
    assert seen == {0: {x.encode() for x in cut}, 1: {"Zoë".encode()}}
    again = outside.batch(7)
    np.testing.assert_array_equal(again["text"], loader.batch(7)["text"])
    np.testing.assert_array_equal(again["image"], loader.batch(7)["image"])


def test_captions_by_rows_splits_and_parts(folder):
    root = folder({"a.jpg": None, "b.jpg": None})
    (root / "captions.csv").write_text(
        "file,caption,split\na.jpg,one two,train\nb.jpg,three,test\na.jpg,four,train\n"
    )
    source = data.captioned(path=root)
    assert list(data.captions_of(source)) == ["one two", "four"]
    test = data.test_of(f"captioned:{root}")
    assert test == {"name": "captioned", "path": str(root), "split": "test"}
    drawn = data.tokenized(of=data.objects(size=8, length=9), tokenizer=data.utf8())
    part = data.subset(of=drawn, fraction=0.3)
    own = [part.captions(i) for i in range(len(part))]
    batch = data.loader(part, batch_size=3, **ALONE).batch(0)
    for index, text in zip(batch["index"], batch["text"], strict=True):
        told = bytes(t for t in text.tolist() if 0 < t < 256).decode()
        assert told in own[index]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"file,text\na.jpg,b\n", r"'a\.jpg' has no caption"),
        (b"file,caption\na.jpg,  \n", r"'a\.jpg' has no caption"),
        (b"file,caption\na.jpg,b\na.jpg,b\n", "lists 'a.jpg' twice with the caption"),
        (b"file,caption\nz.jpg,b\n", "1 images that are not there, the first 'z.jpg'"),
        (b"file,caption\na.jpg,\xff\n", "is not UTF-8: byte"),
    ],
)
def test_captions_that_are_wrong(folder, table, message):
    root = folder({"a.jpg": None})
    (root / "captions.csv").write_bytes(table)
    with pytest.raises(ValueError, match=message):
        data.captioned(path=root)


def test_captions_that_are_missing(tmp_path):
    with pytest.raises(ValueError, match=r"has none of captions\.csv, captions\.tsv"):
        data.captioned(path=tmp_path)
    shapes = data.arrays(np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="has no captions: give captioned:/path"):
        data.tokenized(of=shapes, tokenizer=data.utf8())
