"""A test split is drawn once and remembered, though the folder grows."""

import csv

import pytest

from sslax import data
from sslax.commands import main, options


def rows(table):
    with table.open(newline="") as file:
        return {
            row["file"]: (row["label"], row["split"]) for row in csv.DictReader(file)
        }


def draw(root, table, *arguments):
    found = options.parse("prepare", [f"folder:{root}", f"--table={table}", *arguments])
    found.say = lambda words: None
    return main.guarded("prepare", found)


@pytest.fixture
def pets(folder):
    return folder(
        {f"pets/{c}/{i}.jpg": None for c, n in (("a", 20), ("b", 5)) for i in range(n)}
    )


def test_every_class_is_in_proportion_and_the_table_is_data(pets, capsys):
    table = pets / "split.csv"
    assert draw(pets / "pets", table, "--test=20%") == 0
    told = capsys.readouterr().out
    assert "20 images for training and 5 for testing, 25 of them new: --config" in told
    drawn = rows(table)
    tests = [label for label, split in drawn.values() if split == "test"]
    assert sorted(tests) == ["a"] * 4 + ["b"]
    train = data.source(f"listed:{table}")
    test = data.source(f"listed:{table}/test")
    assert len(train) == 20
    assert train.class_names == test.class_names == ("a", "b")
    assert not set(train.files) & set(test.files)
    assert data.test_of(f"listed:{table}")["split"] == "test"
    # Drawn anew it is the same; by another seed it is not.
    for seed, same in ((0, True), (1, False), (2, False), (3, False)):
        other = pets / f"other{seed}.csv"
        assert draw(pets / "pets", other, "--test=0.2", f"--seed={seed}") == 0
        assert (rows(other) == drawn) == same
        tests = [label for label, split in rows(other).values() if split == "test"]
        assert sorted(tests) == ["a"] * 4 + ["b"]


def test_images_keep_their_split_when_others_come_and_go(pets, folder, capsys):
    table = pets / "split.csv"
    draw(pets / "pets", table)
    before = rows(table)
    folder({f"pets/b/new{i}.jpg": None for i in range(15)})
    (pets / "pets/a/0.jpg").unlink()
    assert draw(pets / "pets", table, "--test=30%") == 0
    assert "15 of them new, 1 are gone" in capsys.readouterr().out
    after = rows(table)
    assert "pets/a/0.jpg" not in after
    assert all(before[name] == after[name] for name in set(before) & set(after))
    tests = [split for _, split in after.values()].count("test")
    assert tests == 12  # of 39: the share is of all, not of those that are new
    assert sum("new" in name for name, (_, s) in after.items() if s == "test") >= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--test=much"], "--test is a share, as 20% or 0.2; got 'much'"),
        (["--test=120%"], r"in (0, 1); got 1.2"),
        (["--test=1%"], "leaves 25 for training and 0 for testing"),
        (["--size=3"], "--table goes with --test and --seed alone"),
    ],
)
def test_mistakes_leave_no_table(pets, capsys, arguments, message):
    assert draw(pets / "pets", pets / "t.csv", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (pets / "t.csv").exists()


def test_a_table_of_other_splits_stays(pets):
    table = pets / "split.csv"
    table.write_text("file,split\npets/a/0.jpg,val\n")
    with pytest.raises(ValueError, match=r"has the splits \['val'\]"):
        data.write_splits(data.folder(path=pets / "pets"), table, test=0.2)
    assert table.read_text() == "file,split\npets/a/0.jpg,val\n"
