"""Grounds that go with classes, and masks of the foreground from files."""

import numpy as np
import pytest
from PIL import Image

from sslax import data
from sslax.results.foregrounds import write_foregrounds


def test_grounds_go_with_classes_as_often_as_asked():
    """The mean colour of the ground tells its class apart from that of the shape."""

    def grounds(tied):
        source = data.habitats(size=12, length=400, tied=tied)
        seen = [source[i] for i in range(len(source))]
        return np.stack([e["image"][e["foreground"] == 0].mean(axis=0) for e in seen])

    label = np.arange(400) % 8
    tied, loose = grounds(1.0), grounds(0.0)
    means = np.stack([tied[label == c].mean(axis=0) for c in range(8)])

    def nearest(x):
        return np.linalg.norm(x[:, None] - means[None], axis=-1).argmin(axis=1)

    assert np.mean(nearest(tied) == label) > 0.6
    assert np.mean(nearest(loose) == label) < 0.1
    with pytest.raises(ValueError, match="tied is 2; expected 0 to 1"):
        data.habitats(tied=2)
    with pytest.raises(ValueError, match="size is 2, at least 4"):
        data.habitats(size=2)


@pytest.fixture
def pets(tmp_path):
    """A bright square on a dark noise, at two sizes."""
    rng = np.random.default_rng(0)
    for name, (height, width) in {"a/x.png": (60, 90), "b/y.png": (80, 80)}.items():
        image = rng.integers(20, 60, (height, width, 3), dtype=np.uint8)
        image[20:32, 30:42] = 250
        (tmp_path / "pets" / name).parent.mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "pets" / name)
    return tmp_path / "pets"


def test_masks_are_written_once_and_come_with_their_images(pets, tmp_path):
    masks = tmp_path / "masks"
    assert write_foregrounds(f"folder:{pets}", str(masks)) == 2
    source = data.with_foreground(of=data.folder(path=pets), path=masks)
    for i, shape in enumerate([(60, 90), (80, 80)]):
        example = source[i]
        solid = example["foreground"]
        assert solid.shape == shape
        assert solid[18:34, 28:44].mean() > 0.5  # its edges stand out the most
        assert solid[:10].mean() == 0
        placed = source.load(i, canvas=100)
        assert placed["foreground"].shape == (100, 100)
        assert placed["foreground"].sum() == solid.sum()
    # The mask of a better detector stays.
    own = np.zeros((60, 90), np.uint8)
    Image.fromarray(own).save(masks / "a/x.png")
    assert write_foregrounds(f"folder:{pets}", str(masks)) == 2
    assert source[0]["foreground"].sum() == 0


def test_a_missing_mask_and_one_of_another_size_are_told(pets, tmp_path):
    masks, images = tmp_path / "masks", data.folder(path=pets)
    with pytest.raises(ValueError, match=r"2 of 2 images .* no mask.*masks/a/x.png"):
        data.with_foreground(of=images, path=masks)
    write_foregrounds(f"folder:{pets}", str(masks))
    Image.fromarray(np.zeros((9, 7), np.uint8)).save(masks / "b/y.png")
    source = data.with_foreground(of=images, path=masks)
    with pytest.raises(ValueError, match=r"has 9 x 7 pixels, and its image .*80 x 80"):
        source[1]


def test_no_mask_is_an_image_or_of_two(pets):
    with pytest.raises(ValueError, match=r"x.png would be the image itself"):
        data.masks_of(data.folder(path=pets), pets)
    Image.open(pets / "a/x.png").save(pets / "a/x.jpg")
    with pytest.raises(ValueError, match=r"x.jpg and .*x.png would have one mask"):
        data.masks_of(data.folder(path=pets), pets.parent / "masks")


def test_files_that_are_broken_are_told_and_images_skipped(pets, tmp_path):
    masks, images = tmp_path / "masks", data.folder(path=pets)
    write_foregrounds(f"folder:{pets}", str(masks))
    source = data.with_foreground(of=images, path=masks)
    (pets / "a/x.png").write_bytes(b"no picture")
    with pytest.raises(data.BadExample, match=r"a/x.png cannot be decoded"):
        source[0]
    (masks / "b/y.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"the mask .*b/y.png' cannot be decoded"):
        source[1]


def test_masks_lie_as_their_images_are_shown(tmp_path):
    """Turned by a quarter if the images are; a mask that is not is refused."""
    (tmp_path / "turned").mkdir()
    picture, exif = Image.fromarray(np.zeros((20, 30, 3), np.uint8)), Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned/x.jpg", exif=exif)
    Image.fromarray(np.zeros((30, 20), np.uint8)).save(tmp_path / "x.png")
    shown, stored = (
        data.folder(path=tmp_path / "turned", upright=upright)
        for upright in (True, False)
    )
    turned = data.with_foreground(of=shown, path=tmp_path)[0]
    assert turned["foreground"].shape == turned["image"].shape[:2] == (30, 20)
    with pytest.raises(ValueError, match=r"has 30 x 20 pixels.* has 20 x 30"):
        data.with_foreground(of=stored, path=tmp_path)[0]


def test_arrays_of_many_channels_have_masks_too(tmp_path):
    image = np.full((40, 40, 5), 10, np.uint8)
    image[10:16, 10:16] = 200
    (tmp_path / "bands").mkdir()
    np.save(tmp_path / "bands" / "x.npy", image)
    images = data.folder(path=tmp_path / "bands", channels=5)
    for i in range(len(images)):
        assert images[i]["image"].shape == (40, 40, 5)
    Image.fromarray(255 * np.uint8(image[..., 0] > 99)).save(tmp_path / "bands/x.png")
    masked = data.with_foreground(of=images, path=tmp_path / "bands")
    assert masked[0]["foreground"].sum() == 36
