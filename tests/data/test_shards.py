"""Images in tar files, with captions or classes."""

import gzip
import io
import json
import os
import pickle
import tarfile

import numpy as np
import pytest

from sslax import data

ALONE = {"process_index": 0, "process_count": 1}


@pytest.fixture(autouse=True)
def kept(tmp_path_factory, monkeypatch):
    """Where indices are kept."""
    folder = tmp_path_factory.mktemp("kept")
    monkeypatch.setenv("SSLAX_DATA_DIR", str(folder))
    return folder / "shards"


def write(path, members):
    """A tar of members, {name: bytes or text}, or of pairs; the same time always."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = members.items() if isinstance(members, dict) else members
    with tarfile.open(path, "w") as tar:
        for name, content in pairs:
            content = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def images(picture):
    """Files of images that differ, by name."""
    kinds = {"jpg": "jpeg", "png": "png", "webp": "webp", "jpeg": "jpeg"}
    return {
        f"{i:03}.{end}": picture(12 + i, 16, kinds[end])
        for i, end in enumerate((*kinds, *kinds))
    }


@pytest.fixture
def pairs(tmp_path, picture):
    """Two shards of three images with captions."""
    for shard in range(2):
        members = {}
        for i in range(3):
            members[f"{i}.jpg"] = picture(12, 16 + 3 * shard + i)
            members[f"{i}.txt"] = f"caption {i} of {shard}\n"
        write(tmp_path / f"{shard:04}.tar", members)
    return tmp_path


def test_images_are_those_of_the_folder_in_its_order(
    tmp_path, folder, images, monkeypatch
):
    def backwards(path):
        return iter([path / name for name in sorted(os.listdir(path))[::-1]])

    named = sorted(images)
    folder({f"files/{name}": images[name] for name in named})
    write(tmp_path / "tars" / "b.tar", {name: images[name] for name in named[5:]})
    write(tmp_path / "tars" / "a.tar", {name: images[name] for name in named[:5]})
    write(tmp_path / "tars" / "c.tar", {})
    wanted = data.folder(path=tmp_path / "files")
    monkeypatch.setattr("pathlib.Path.iterdir", backwards)
    source = data.source(f"shards:{tmp_path}/tars")
    assert (len(source), source.fields) == (len(wanted), wanted.fields)
    assert source.captions is source.labels is source.class_names is source.files
    for i in (*range(len(wanted)), 3):
        np.testing.assert_array_equal(source[i]["image"], wanted[i]["image"])
        assert sorted(source[i]) == ["image", "index"]
    assert source.where(6) == f"006.webp in {tmp_path}/tars/b.tar"
    grey = data.source(source.name, like=data.Field((None, None, 1)))
    assert grey[0]["image"].shape == (12, 16, 1)


def test_members_of_one_name_up_to_the_first_dot_are_an_example(tmp_path, picture):
    long, wide = "deep/" * 40 + "name", [picture(12, 16 + i) for i in range(4)]
    members = {
        "._a.jpg": b"of another system",
        "a.JPG": wide[0],
        "a.seg.png": b"another member",
        "a.cls": "1\n",
        "x.y/a.jpg": wide[1],  # a dot of a folder is none of the name
        "x.y/a.cls": "0",
        "README": "no member of anything",
        f"{long}.cls": " 2 ",
        f"{long}.jpg": wide[2],
        f"{long}2.jpg": wide[3],
        f"{long}2.cls": "1",
    }
    write(tmp_path / "a.tar", members)
    source = data.shards(path=tmp_path / "a.tar")
    assert [example["image"].shape[1] for example in source] == [16, 17, 18, 19]
    assert [example["label"] for example in source] == [1, 0, 2, 1]
    assert source.labels.tolist() == [1, 0, 2, 1]
    assert source.class_names == ("0", "1", "2")
    assert source.where(0) == f"a.JPG in {tmp_path}/a.tar"
    assert source.where(2) == f"{long}.jpg in {tmp_path}/a.tar"
    named = data.shards(path=tmp_path / "a.tar", class_names=["ant", "bee", "cat", "d"])
    assert named.class_names == ("ant", "bee", "cat", "d")
    with pytest.raises(ValueError, match="a class is 2, but there are 2 class_names"):
        data.shards(path=tmp_path / "a.tar", class_names=["ant", "bee"])


def test_captions_are_texts_or_fields_of_json(tmp_path, picture):
    told = [
        {"0.txt": " ein Haus \n", "0.json": json.dumps({"caption": "not this"})},
        {"1.json": json.dumps({"caption": "Zoë", "url": "x"}, ensure_ascii=False)},
        {"2.json": json.dumps({"captions": ["one", "two"], "caption": "three"})},
    ]
    for shard, members in enumerate(told):
        write(tmp_path / f"{shard}.tar", {f"{shard}.jpg": picture(9, 9), **members})
    source = data.shards(path=tmp_path)
    texts = [("ein Haus",), ("Zoë",), ("one", "two")]
    assert [source.captions(i) for i in range(3)] == texts
    write(tmp_path / "0.tar", {"0.jpg": picture(9, 9), "0.json": '{"url": "x"}'})
    one = data.shards(path=tmp_path / "0.tar")
    assert one.captions is None, "a json may tell other things"


def test_captions_become_numbers(pairs):
    source = data.tokenized(of=data.shards(path=pairs), tokenizer=data.utf8(context=20))
    batch = data.loader(source, batch_size=6, canvas=24, **ALONE).batch(0)
    for index, text in zip(batch["index"], batch["text"], strict=True):
        told = bytes(t for t in text.tolist() if 0 < t < 256).decode()
        assert told == f"caption {index % 3} of {index // 3}"
    np.testing.assert_array_equal(batch["box"][:, 3], 16 + batch["index"])
    part = data.source(f"shards:{pairs}[2:4]")
    told = ["caption 2 of 0", "caption 0 of 1"]
    assert list(data.captions_of(part)) == told, "parts of them are cut"
    assert part.where(1) == f"0.jpg in {pairs}/0001.tar"


def test_one_of_several_captions_is_drawn_each_time(tmp_path, picture):
    several = ["a dog", "ein Hund", "un chien"]
    told = json.dumps({"captions": several})
    write(tmp_path / "a.tar", {"0.jpg": picture(9, 9), "0.json": told})
    source = data.tokenized(of=data.shards(path=tmp_path), tokenizer=data.utf8())
    loader = data.loader(source, batch_size=1, seed=1, **ALONE)
    seen = [loader.batch(step)["text"][0] for step in range(30)]
    said = {bytes(t for t in text.tolist() if 0 < t < 256).decode() for text in seen}
    assert said == set(several)


def test_memory_and_two_workers_resume_alike(pairs):
    source = data.tokenized(of=data.shards(path=pairs), tokenizer=data.utf8())
    options = {"batch_size": 4, "seed": 9, "canvas": 24, **ALONE}
    reference = data.loader(source, memory=True, **options)
    assert reference.memory
    loader = data.loader(source, memory=False, workers=2, **options)
    batches = loader.iterate(3)
    for k in (3, 4, 5):
        batch = next(batches)
        for key, value in reference.batch(k).items():
            np.testing.assert_array_equal(batch[key], value)
    batches.close()


def test_an_index_holds_numbers_alone(tmp_path, picture):
    """Of ten million images it fits into memory, here and in every worker."""
    image, sizes = picture(4, 4, "png"), []
    for count in (1, 201):
        members = [
            (f"{'deep/' * 30}{i}.{end}", x)
            for i in range(count)
            for end, x in (("png", image), ("txt", "a caption"), ("cls", "3"))
        ]
        write(tmp_path / "a.tar", members)
        sizes.append(len(pickle.dumps(data.shards(path=tmp_path))))
    assert (sizes[1] - sizes[0]) / 200 <= 45


def test_an_index_is_kept_until_its_tar_changes(pairs, kept, picture, monkeypatch):
    tar = pairs / "0001.tar"
    first = data.shards(path=tar)
    [file] = kept.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("sslax.data._shard_index._indexed", None)
        again = data.shards(path=tar)
        np.testing.assert_array_equal(again[2]["image"], first[2]["image"])
        assert again.captions(2) == first.captions(2)
    file.write_bytes(file.read_bytes()[:-8])
    assert len(data.shards(path=tar)) == 3, "a damaged one is made again"
    write(tar, {"0.jpg": picture(12, 30)})
    os.utime(tar, ns=(1, 1))
    assert data.shards(path=tar)[0]["image"].shape == (12, 30, 3)
    (kept.parent / "file").write_text("")
    unkept = data.shards(path=tar, data_dir=kept.parent / "file")
    assert len(unkept) == 1, "where nothing can be written"


def test_other_tars_are_noticed(pairs, picture):
    def told():
        return data.fingerprint(data.shards(path=pairs))

    before = told()
    assert before == told()
    drawn = data.tokenized(of=data.shards(path=pairs), tokenizer=data.utf8())
    assert data.fingerprint(drawn) == before
    (pairs / "0001.tar").rename(pairs / "0002.tar")
    renamed = told()
    assert renamed["names"] != before["names"]
    assert renamed["sizes"] == before["sizes"]
    padded, seen = (pairs / "0002.tar").stat().st_size, {renamed["sizes"]}
    for width, text in ((30, "one"), (90, "one"), (90, "three")):
        write(pairs / "0002.tar", {"0.jpg": picture(12, width), "0.txt": text})
        seen.add(told()["sizes"])
    assert len(seen) == 4
    assert (pairs / "0002.tar").stat().st_size == padded, "tars are padded"


def test_splits_are_folders_or_words_of_names(tmp_path, picture):
    def names(form):
        source = data.source(form)
        return [source.where(i).split("/")[-1][:-4] for i in range(len(source))]

    sets = {
        "words": ["cc-train-01", "cc-train-00", "cc-val-00", "other"],
        "folders": ["train/b", "train/a", "val/c", "val/._d", "else/e"],
        "plain": ["b", "a"],
        "cut": ["val_0"],
    }
    for top, tars in sets.items():
        for tar in tars:
            write(tmp_path / top / f"{tar}.tar", {"0.jpg": picture(9, 9)})
    words, folders, plain, cut = (f"shards:{tmp_path}/{top}" for top in sets)
    for form in (words, f"{words}/train", f"{words}/cc-train-*.tar"):
        assert names(form) == ["cc-train-00", "cc-train-01"]
    assert names(f"{words}/val") == ["cc-val-00"]
    assert names(f"{words}/all") == [*names(words), "cc-val-00", "other"]
    assert names(f"{words}/other.tar") == ["other"]
    assert (names(folders), names(f"{folders}/val")) == (["a", "b"], ["c"])
    assert names(f"{folders}/all") == ["a", "b", "c"]
    assert names(plain) == names(f"{plain}/train") == ["a", "b"]
    val = {"name": "shards", "path": f"{tmp_path}/words", "split": "val"}
    assert data.test_of(words) == data.test_of(f"{words}/train[:80%]") == val
    assert data.test_of(folders) == {**val, "path": f"{tmp_path}/folders"}
    for form in (plain, f"{words}/val", f"{words}/all", f"{words}/cc-train-*.tar"):
        assert data.test_of(form) is None
    with pytest.raises(ValueError, match=r"has no split 'test'; it has train, val$"):
        data.source(f"{folders}/test")
    for form in (cut, f"{cut}/train"):
        with pytest.raises(ValueError, match=r"has no split 'train'; it has val$"):
            data.source(form)
    with pytest.raises(ValueError, match=r"split is 'val', but '.*\*\.tar' is no fol"):
        data.shards(path=tmp_path / "words" / "*.tar", split="val")


def test_a_broken_image_is_named_or_skipped(tmp_path, picture):
    members = {f"{i}.jpg": picture(12, 16) for i in range(3)}
    write(tmp_path / "a.tar", {**members, "1.jpg": b"no image"})
    source = data.shards(path=tmp_path)
    assert source.fields["image"].shape == (12, 16, 3)
    with pytest.raises(data.BadExample, match=r"1\.jpg in .*/a\.tar cannot be decoded"):
        source.load(1)
    loader = data.loader(source, batch_size=3, on_error="skip", **ALONE)
    assert loader.skipped == 1


def test_a_tar_that_is_cut_later_stops_the_reading(pairs):
    source = data.shards(path=pairs)
    content = (pairs / "0001.tar").read_bytes()
    (pairs / "0001.tar").write_bytes(content[:2000])
    with pytest.raises(ValueError, match=r"0001\.tar' has become shorter since"):
        source.load(5)
    (pairs / "0001.tar").unlink()
    with pytest.raises(FileNotFoundError):
        source.load(5)
    assert source.where(3) == f"the image at byte 0 in {pairs}/0001.tar"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", r"'.*/none' does not exist$"),
        ("x-*.tar", r"no file matches the pattern '.*/x-\*\.tar'$"),
        ("{0000..0001}.tar", r"braces in '.*\.tar' are not read: write '.*/\*\.tar'$"),
        ("empty", r"there is no \.tar in '.*/empty'; it holds \['notes\.txt'\]$"),
        ("packed", r"packed/a\.tar\.gz' is compressed.*once: gunzip /.*/a\.tar\.gz "),
        ("packed/b.tar", r"b\.tar' is compressed, and its members cannot be read"),
        ("bare", "there is no image in the 1 tars of shards:"),
        ("text.tar", r"text\.tar' is no whole tar file: "),
    ],
)
def test_paths_that_are_wrong(pairs, name, message):
    for folder in ("empty", "packed"):
        (pairs / folder).mkdir()
    (pairs / "empty" / "notes.txt").write_text("")
    packed = gzip.compress((pairs / "0000.tar").read_bytes())
    (pairs / "packed" / "a.tar.gz").write_bytes(packed)
    (pairs / "packed" / "b.tar").write_bytes(packed)
    write(pairs / "bare" / "a.tar", {"README": "nothing"})
    (pairs / "text.tar").write_text("no tar " * 100)
    with pytest.raises(ValueError, match=message):
        data.shards(path=pairs / name)


def test_a_tar_that_was_unpacked_may_stay(pairs):
    packed = gzip.compress((pairs / "0000.tar").read_bytes())
    (pairs / "0000.tar.gz").write_bytes(packed)
    assert len(data.shards(path=pairs)) == 6
    (pairs / "0002.tgz").write_bytes(packed)
    with pytest.raises(ValueError, match=r"0002\.tgz' is compressed"):
        data.shards(path=pairs)


def test_a_tar_that_was_cut_off_is_refused_wherever_it_was(pairs):
    content = (pairs / "0000.tar").read_bytes()
    with tarfile.open(pairs / "0000.tar") as tar:
        ends = [member.offset for member in tar] + [tar.offset]
        inside = [member.offset_data + 10 for member in tar]
    for length in (0, 300, *inside, *ends[1:], *(end + 200 for end in ends[1:])):
        (pairs / "0000.tar").write_bytes(content[:length])
        with pytest.raises(
            ValueError, match=r"0000\.tar' is (no whole|cut off or dam)"
        ):
            data.shards(path=pairs)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("1.txt", "a")], r"'1' in '.*a\.tar' has no images among its members txt;"),
        ([("1.jpg", None), ("1.png", None)], r"'1' in .* has 2 images among.*jpg, png"),
        ([("1.jpg", None), ("1.JPG", None)], r"member twice: 1\.jpg, 1\.JPG"),
        ([("0.txt", "b")], r"has the key '0' twice; the members of an example follow"),
        ([("1.jpg", None)], r"1 of 3 examples have no caption.* 1\.jpg in .*a\.tar"),
        ([("1.jpg", None), ("1.txt", "")], r"1 of 3 ex.* an empty caption.*is 1\.jpg"),
        (
            [("1.jpg", None), ("1.txt", "a"), ("1.cls", "cat")],
            r"the class \(\.cls\) of '1' in .* is 'cat'; expected a number",
        ),
        (
            [("1.jpg", None), ("1.txt", "a"), ("1.cls", "4")],
            r"2 of 3 examples have no class \(\.cls\), .*first is 0\.jpg",
        ),
    ],
)
def test_examples_that_are_wrong(tmp_path, picture, members, message):
    image = picture(9, 9)
    whole = [("0.jpg", image), ("0.txt", "a"), ("2.jpg", image), ("2.txt", "a")]
    made = [(name, image if x is None else x) for name, x in members]
    write(tmp_path / "a.tar", [*whole, *made])
    with pytest.raises(ValueError, match=message):
        data.shards(path=tmp_path)


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("1.txt", b"\xff\xfe", r"text of 1\.jpg in .*a\.tar is not UTF-8: .*invalid"),
        ("1.txt", b" \n", r"the text of 1\.jpg in .* is no caption: \[' \\n'\]"),
        ("1.json", b'{"caption": "a', r"the text of 1\.jpg in .* is not JSON: "),
        ("1.json", b'{"url": "a"}', r"the text of 1\.jpg in .* is no caption: None"),
        ("1.json", b'["a"]', "is no caption: None"),
        ("1.json", b'{"captions": ["a", 3]}', r"is no caption: \['a', 3\]"),
    ],
)
def test_captions_that_are_wrong(tmp_path, picture, member, content, message):
    image = picture(9, 9)
    members = {"0.jpg": image, "0.txt": "a", "1.jpg": image, member: content}
    source = data.shards(path=write(tmp_path / "a.tar", members))
    assert source.captions(0) == ("a",)
    with pytest.raises(ValueError, match=message):
        source.captions(1)
    drawn = data.tokenized(of=source, tokenizer=data.utf8())
    with pytest.raises(ValueError, match=message):
        data.loader(drawn, batch_size=2, **ALONE).batch(0)
