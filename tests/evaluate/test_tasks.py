"""Tasks: what each needs, what it reads, and what it says when something is missing."""

import jax
import numpy as np
import pytest

from sslax import evaluate
from sslax.evaluate import tasks
from sslax.evaluate.tasks._correspond import matches

KEY = jax.random.key(0)


def split(n=40, seed=0, *, labels=True, **outputs):
    """Two clouds of features and grey images of their class."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype(np.int32)
    x = 4.0 * np.eye(8)[y] + rng.normal(size=(n, 8))
    shades = np.full((n, 8, 8, 3), 90, np.uint8) + 60 * y[:, None, None, None]
    return tasks.Split(
        outputs={"features": x.astype(np.float32), **outputs},
        index=np.arange(n),
        labels=y if labels else None,
        class_names=("dark", "bright") if labels else None,
        images=lambda rows: shades[rows].astype(np.uint8),
    )


def test_classify_is_the_protocol_and_says_which_batch_its_probe_has():
    both = {"train": split(60), "test": split(40, 1)}
    probe = dict(batch_size=256, epochs=5)
    task = tasks.classify(k=5, draws=2, probe=probe)
    results = task.run(both, KEY)
    expected = evaluate.evaluate_features(
        *[(s.outputs["features"], s.labels) for s in both.values()],
        classes=2, key=KEY, k=5, draws=2, probe=dict(batch_size=60, epochs=5),
    )  # fmt: skip
    assert results.numbers == expected
    assert results.notes == ("the batch of the SGD probe is all 60 training images",)
    assert task.needs == ("features",)
    assert task.wants == ("pair/features",)


@pytest.mark.parametrize("labels", [True, False])
def test_without_labels_or_a_test_split_health_is_what_is_left(labels):
    one = split(labels=labels)
    pair = np.stack([one.outputs["features"]] * 2, axis=1)
    one = one._replace(outputs={**one.outputs, "pair/features": pair})
    given = {"train": one} if labels else {"train": split(labels=False), "test": one}
    numbers, notes, _ = tasks.classify().run(given, KEY)
    assert {"rankme", "std", "uniformity"} < set(numbers)
    assert numbers["alignment"] == pytest.approx(0.0, abs=1e-5)
    assert not {"knn", "linear"} & set(numbers)
    (note,) = notes
    why = "there is no test split" if labels else "the data have no labels"
    assert note == f"kNN, linear and few-label probes are left out: {why}"
    for short in (tasks.knn(), tasks.linear()):
        assert short.run(given, KEY).numbers == {}


def test_short_readings_are_those_of_the_protocol():
    both = {"train": split(60), "test": split(40, 1)}
    whole = tasks.classify(k=5, labels_per_class=()).run(both, KEY).numbers
    assert tasks.knn(k=5).run(both, KEY).numbers == {"knn": whole["knn"]}
    found = tasks.linear(l2=whole["l2"]).run(both, KEY).numbers
    assert found["linear"] == pytest.approx(whole["linear"], abs=2.6)
    assert 0 <= tasks.knn(k=500).run(both, KEY).numbers["knn"] <= 100  # all rows vote


def test_retrieval_is_its_definition():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5)).astype(np.float32)
    y = np.append(rng.integers(0, 4, 29), 9)  # 9 stands alone: not asked
    found = evaluate.retrieval(x, y, recall=(1, 3), chunk=7)
    one, average = slow_retrieval_but_the_last(x, y, 1)
    assert found["recall@1"] == pytest.approx(one)
    assert found["mAP"] == pytest.approx(average, rel=1e-5)
    assert found["recall@3"] == pytest.approx(slow_retrieval_but_the_last(x, y, 3)[0])
    with pytest.raises(ValueError, match="no two of the 3 labelled rows"):
        evaluate.retrieval(x[:3], np.arange(3))


def slow_retrieval_but_the_last(x, y, k):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    hits, averages = [], []
    for i in range(len(x) - 1):
        others = [j for j in np.argsort(-(x @ x[i]), kind="stable") if j != i]
        found = [y[j] == y[i] for j in others]
        hits.append(any(found[:k]))
        at = [n + 1 for n, hit in enumerate(found) if hit]
        averages.append(np.mean([(n + 1) / rank for n, rank in enumerate(at)]))
    return 100 * np.mean(hits), 100 * np.mean(averages)


def test_pairs_are_retrieved_both_ways():
    image = np.eye(6, dtype=np.float32)
    text = image.copy()
    text[0] = image[1]  # the text of image 0 is nearer to image 1
    numbers, notes, _ = tasks.retrieve(recall=(1, 2)).run(
        {
            "test": split(6, labels=False)._replace(
                outputs=dict(features=image, text=text)
            )
        },
        KEY,
    )
    assert notes == ("retrieval by label is left out: the data have no labels",)
    assert numbers["image_to_text_recall@1"] == pytest.approx(100 * 4 / 6)
    assert numbers["text_to_image_recall@1"] == pytest.approx(100 * 5 / 6)
    same = np.ones((6, 3), np.float32)
    assert float(evaluate.pair_recall(same, same, recall=(1,))[1]) == 0.0


def maps_with_masks(n, seed):
    """Maps whose first channel is high where the mask is, cells of 2 pixels a side."""
    rng = np.random.default_rng(seed)
    mask = (rng.uniform(size=(n, 4, 4)) > 0.6).astype(np.float32)
    noise = 0.1 * rng.normal(size=(n, 4, 4, 3))
    maps = noise + 3.0 * np.stack([mask, 0 * mask, 1 - mask], axis=-1)
    return maps.astype(np.float32), mask.repeat(2, 1).repeat(2, 2)


def test_segmentation_finds_what_the_map_shows():
    both = {}
    for name, seed in (("train", 0), ("test", 1)):
        maps, mask = maps_with_masks(12, seed)
        both[name] = split(12, seed, map=maps)._replace(fields={"foreground": mask})
    task = tasks.segment()
    numbers, _, draw = task.run(both, KEY)
    # Bilinear borders do not follow a checkerboard of cells to the pixel.
    assert numbers["miou"] > 60
    assert task.fields == ("foreground",)
    (pictures,) = draw()
    assert [name for name, _ in pictures.rows] == ["image", "found", "exact"]
    assert all(p.shape == (128, 128, 3) for _, row in pictures.rows for p in row)
    shuffled = both["train"]._replace(fields={"foreground": maps_with_masks(12, 7)[1]})
    worse = task.run({**both, "train": shuffled}, KEY).numbers["miou"]
    assert worse < numbers["miou"] - 15


def test_iou_counts_pixels_of_both_classes():
    truth = np.zeros((1, 2, 2), bool)
    assert evaluate.iou(truth, truth) == (100.0, 100.0)
    assert evaluate.iou(~truth, truth) == (0.0, 0.0)
    with pytest.raises(ValueError, match="one shape"):
        evaluate.iou(truth, truth[:, :1])


def test_the_background_gap_is_what_another_class_behind_costs():
    clouds = {"train": split(60), "test": split(40, 1)}
    x = clouds["test"].outputs["features"]
    wrong = x.copy()
    wrong[:10] = x[1:11]  # ten are taken for the other class
    altered = {"mixed_same/features": x, "mixed_rand/features": wrong}
    altered["only_background/features"] = np.ones_like(x)
    both = {**clouds, "test": split(40, 1, **altered)}
    task = tasks.background_gap(k=5)
    numbers = task.run(both, KEY).numbers

    def alone(x):
        given = {**clouds, "test": split(40, 1, features=x)}
        return tasks.knn(k=5).run(given, KEY).numbers["knn"]

    assert numbers["mixed_same"] == numbers["original"] == alone(x)
    assert numbers["mixed_rand"] == alone(wrong)
    assert numbers["background_gap"] == alone(x) - alone(wrong) == 25
    assert numbers["only_background"] == 50
    assert set(task.wants) == {f"{kind}/features" for kind in task.alters}
    # Where nothing altered was read, there is no gap.
    assert set(task.run(clouds, KEY).numbers) == {"original"}
    assert tasks.background_gap(foreground="saliency").fields == ()
    with pytest.raises(ValueError, match="'data', 'saliency'"):
        tasks.background_gap(foreground="mask")


def test_the_held_out_loss_is_the_mean_over_batches():
    task = tasks.held_out(objective="ssl")
    assert task.needs == ("loss/ssl",)
    given = {"test": split()._replace(outputs={"loss/ssl": np.array([1.0, 2.0])})}
    assert task.run(given, KEY).numbers == {"held_out_loss_ssl": 1.5}
    assert "no test split" in task.run({"train": split()}, KEY).notes[0]


def test_correspondence_marks_the_same_place_of_a_moved_image():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(4, 4, 6)).astype(np.float32)
    cells = np.array([(0, 0), (2, 1), (3, 2)])
    moved = np.roll(first, (1, 1), axis=(0, 1))
    assert matches(first, moved, cells).tolist() == [[1, 1], [3, 2], [0, 3]]
    maps = np.stack([first, rng.normal(size=first.shape), first]).astype(np.float32)
    numbers, _, draw = tasks.correspond(pairs=3).run({"test": split(3, map=maps)}, KEY)
    assert numbers == {}
    (pictures,) = draw()
    assert [len(row) for _, row in pictures.rows] == [3, 3]


def test_attention_is_drawn_and_measured():
    weights = np.full((4, 2, 3, 3), 1.0, np.float32)
    weights[:, 0, 1, 1] += 50.0  # the first head looks at the middle, the other around
    numbers, _, draw = tasks.attend(images=2).run(
        {"test": split(4, attention=weights)}, KEY
    )
    share = weights[0, 0] / weights[0, 0].sum()
    entropy = (-(share * np.log(share)).sum() + np.log(9)) / 2
    assert numbers["attention_entropy"] == pytest.approx(entropy, rel=1e-5)
    (pictures,) = draw()
    assert [name for name, _ in pictures.rows] == ["image", "mean", "head 0", "head 1"]
    _, (lit, _) = pictures.rows[1]
    side = lit.shape[0]
    assert lit[side // 2, side // 2].sum() > lit[2, 2].sum()


def test_a_probe_that_is_misspelt_is_refused_at_once():
    with pytest.raises(ValueError, match="no argument 'bach_size'; it has optimizer"):
        tasks.classify(probe=dict(bach_size=3))


def test_top_k_reads_the_methods_own_logits():
    logits = np.array([[3.0, 2, 1], [1, 3, 2], [2, 1, 3], [3, 2, 1]], np.float32)
    one = tasks.Split(
        outputs={"logits": logits},
        index=np.arange(4),
        labels=np.array([0, 2, 0, 2], np.int32),
    )
    task = tasks.top_k(k=(1, 2, 5))
    assert task.needs == ("logits",)
    assert task.splits == ("test",)
    # Five of three classes would always be right.
    assert task.run({"test": one}, KEY).numbers == {"top_1": 25.0, "top_2": 75.0}
    bare = one._replace(labels=None)
    assert "no labels" in task.run({"test": bare}, KEY).notes[0]


def told(names):
    """Texts as features: the class whose name they have, and a part of another."""

    def texts(said):
        rows = [[10.0 * (name in text) for name in names] for text in said]
        return np.array(rows) + [[0.1 * ("small" in text), 0.0] for text in said]

    return texts


def test_zero_shot_finds_the_name_of_the_class():
    image = np.eye(2)[np.arange(40) % 2].astype(np.float32)
    image[:10] = image[:10, ::-1]
    judged = split(image=image)._replace(texts=told(("dark", "bright")))
    task = tasks.zero_shot(templates=("a {} room", "a small {} room"))
    assert task.run({"test": judged}, KEY).numbers == {"zero_shot": 75.0}
    assert task.texts
    assert task.needs == ("image",)
    alone = judged._replace(labels=None)
    assert "no labels" in task.run({"test": alone}, KEY).notes[0]
    with pytest.raises(ValueError, match=r"the name of a class; got \['a room'\]"):
        tasks.zero_shot(templates=("a room",))


def test_a_class_is_the_mean_of_its_sentences_of_length_1():
    def texts(said):
        assert said == ["a red fox", "the red fox", "a cat", "the cat"]
        return np.array([[3.0, 0.0], [0.0, 5.0], [1.0, 0.0], [2.0, 0.0]])

    found = tasks.class_features(texts, ("red_fox", "cat"), ("a {}", "the {}"))
    np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5], [1.0, 0.0]], rtol=1e-6)


def test_captions_are_sought_in_the_space_that_they_share():
    """Features of another width are for the probes."""
    space = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    judged = split(image=space, text=5 * space)
    numbers = tasks.retrieve(recall=(1,)).run({"test": judged}, KEY).numbers
    assert numbers["image_to_text_recall@1"] == 100.0
    assert numbers["text_to_image_recall@1"] == 100.0
