"""Sets of tensorflow-datasets with captions, written here without TensorFlow."""

import io

import numpy as np
import pytest

from sslax import data

tfds = pytest.importorskip("tensorflow_datasets")

ALONE = {"process_index": 0, "process_count": 1}
TEXT = tfds.features.Text()
SEVERAL = [["a dog", "ein Hünd"], ["a cat"], [" one\n", "", "two"], ["the last"]]
FORMS = {
    "caption": (TEXT, lambda texts: texts[0]),
    "captions": (
        tfds.features.Sequence({"id": np.int64, "text": np.str_}),
        lambda texts: [{"id": i, "text": x} for i, x in enumerate(texts)],
    ),
    "text": (tfds.features.Sequence(TEXT), lambda texts: texts),
    "said": (
        tfds.features.FeaturesDict({"raw": TEXT}),
        lambda texts: {"raw": texts[0]},
    ),
}
OTHER = {
    "url": (TEXT, lambda texts: "http://none"),
    "scores": (tfds.features.Sequence(np.int64), lambda texts: [1, 2]),
    "objects": (
        tfds.features.Sequence({"first": TEXT, "second": TEXT}),
        lambda texts: [{"first": "a", "second": "b"}],
    ),
}


@pytest.fixture
def written(tmp_path, picture, monkeypatch):
    """Writes a set whose features have these forms, and opens it."""
    monkeypatch.setenv("SSLAX_DATA_DIR", str(tmp_path))

    def write(forms, several=SEVERAL):
        class DrawnPairs(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                features = {key: feature for key, (feature, _) in forms.items()}
                features["image"] = tfds.features.Image(shape=(12, None, 3))
                return tfds.core.DatasetInfo(
                    builder=self,
                    features=tfds.features.FeaturesDict(features),
                    disable_shuffling=True,
                )

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples()}

            def _generate_examples(self):
                for i, texts in enumerate(several):
                    example = {key: made(texts) for key, (_, made) in forms.items()}
                    image = io.BytesIO(picture(12, 16 + i, "png"))
                    yield i, {"image": image, **example}

        DrawnPairs.name = "drawn_pairs"
        tfds.disable_progress_bar()
        builder = DrawnPairs(data_dir=tmp_path, file_format="array_record")
        builder.download_and_prepare()

    yield write
    tfds.enable_progress_bar()


@pytest.mark.parametrize("name", FORMS)
def test_captions_are_found_in_every_form(written, name):
    written({name: FORMS[name], **OTHER})
    chosen = None if name != "said" else name
    source = data.tfds(set="drawn_pairs", captions=chosen)
    wanted = [[x.strip() for x in texts if x.strip()] for texts in SEVERAL]
    if name in ("caption", "said"):
        wanted = [texts[:1] for texts in wanted]
    assert [list(source.captions(i)) for i in range(4)] == wanted
    assert [example["image"].shape for example in source] == [
        (12, width, 3) for width in range(16, 20)
    ]
    assert list(source.fields) == ["image"]


def test_a_feature_is_chosen_by_name(written):
    written({**FORMS, **OTHER})
    first = data.source("drawn_pairs/train")
    assert first.captions(0) == ("a dog",)
    assert data.tfds(set="drawn_pairs", captions="text").captions(2) == ("one", "two")
    assert data.tfds(set="drawn_pairs", captions="url").captions(2) == ("http://none",)
    for name in ("texts", "scores", "objects", "image"):
        known = "caption, captions, said, text, url"
        with pytest.raises(
            ValueError, match=f"'drawn_pairs' has no texts .* '{name}'; it has {known}$"
        ):
            data.tfds(set="drawn_pairs", captions=name)


def test_other_texts_are_no_captions(written, sample):
    written(OTHER)
    source = data.tfds(set="drawn_pairs")
    assert source.captions is sample["train"].captions is None
    with pytest.raises(ValueError, match="drawn_pairs/train has no captions: give"):
        data.tokenized(of=source, tokenizer=data.utf8())


def test_captions_are_read_when_they_are_wanted_without_the_image(written, monkeypatch):
    written({"captions": FORMS["captions"]})

    def fail(*args, **kwargs):
        raise AssertionError("an image was decoded, or a record read")

    monkeypatch.setattr(tfds.features.Image, "decode_example_np", fail)
    monkeypatch.setattr("sslax.data._fields.decode", fail)
    with monkeypatch.context() as patch:
        patch.setattr("sslax.data._tfds_records._captions", fail)
        data.tfds(set="drawn_pairs")
    assert data.tfds(set="drawn_pairs").captions(1) == ("a cat",)


def test_captions_become_numbers_by_two_workers_too(written):
    written({"captions": FORMS["captions"]})
    source = data.tokenized(
        of=data.source("drawn_pairs/train"), tokenizer=data.utf8(context=20)
    )
    options = {"batch_size": 3, "seed": 4, "canvas": 24, **ALONE}
    reference = data.loader(source, **options)
    assert reference.memory
    loader = data.loader(source, memory=False, workers=2, **options)
    batches, seen = loader.iterate(2), set()
    for k in range(2, 9):
        batch = next(batches)
        for key, value in reference.batch(k).items():
            np.testing.assert_array_equal(batch[key], value)
        for index, text in zip(batch["index"], batch["text"], strict=True):
            told = bytes(t for t in text.tolist() if 0 < t < 256).decode()
            assert told in [x.strip() for x in SEVERAL[index]]
            seen.add(told)
    batches.close()
    assert {"one", "two"} <= seen


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([" ", ""], "^example 1 of drawn_pairs/train has no caption$"),
        ([], "^example 1 of drawn_pairs/train has no caption$"),
        ([b"\xff"], "^a caption of example 1 of drawn_pairs/train is not UTF-8: "),
    ],
)
def test_captions_that_are_wrong(written, texts, message):
    written({"text": FORMS["text"]}, several=[["a"], texts])
    source = data.tfds(set="drawn_pairs")
    assert source.captions(0) == ("a",)
    with pytest.raises(ValueError, match=message):
        source.captions(1)
