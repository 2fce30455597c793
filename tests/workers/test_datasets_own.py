"""One's own images and arrays."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional

from measures.registry import Component
from workers.datasets import datasets
from workers.datasets.arrays import arrays
from workers.datasets.image_folder import image_folder

CLASSES = ("cat", "dog", "ox")


def pixels(name: str, number: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng([*name.encode(), number]).integers(256, size=shape, dtype=np.uint8)


def image(split: str, name: str, number: int, height: int = 8, width: int = 8) -> NDArray[np.uint8]:
    return pixels(split + name, number, height, width, 3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GENSWEEP_DATA."""
    monkeypatch.setenv("GENSWEEP_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def tree(folder: Path) -> Path:
    """Three classes of 5 training and 2 test images of 8 x 8 pixels, without loss."""
    for split, count in (("train", 5), ("test", 2)):
        for name in CLASSES:
            (folder / "pets" / split / name).mkdir(parents=True)
            for number in range(count):
                file = folder / "pets" / split / name / f"{number}.png"
                Image.fromarray(image(split, name, number)).save(file)
    return folder / "pets"


def by_content(images: NDArray[Any], labels: NDArray[Any]) -> dict[bytes, int]:
    return {each.tobytes(): int(label) for each, label in zip(images, labels, strict=True)}


def expected(split: str, count: int, names: tuple[str, ...] = CLASSES) -> dict[bytes, int]:
    return {
        image(split, name, number).transpose(2, 0, 1).tobytes(): label
        for label, name in enumerate(names)
        for number in range(count)
    }


@pytest.mark.usefixtures("tree")
def test_images_come_with_the_class_of_their_folder_in_an_order_of_the_data_seed():
    dataset = image_folder(0, path="pets")
    assert by_content(dataset.x_train, dataset.y_train) == expected("train", 5)
    assert by_content(dataset.x_test, dataset.y_test) == expected("test", 2)
    assert (dataset.x_train.dtype, dataset.y_train.dtype) == (np.uint8, np.int64)
    assert (dataset.input_shape, dataset.num_classes) == ((3, 8, 8), 3)
    assert dataset.y_train.tolist() != sorted(dataset.y_train)
    assert not np.array_equal(dataset.x_train, image_folder(1, path="pets").x_train)


def test_a_path_may_be_absolute(tree: Path):
    np.testing.assert_array_equal(image_folder(0, path=str(tree)).x_train, image_folder(0, path="pets").x_train)


@pytest.mark.usefixtures("tree")
def test_subsets_of_images_are_nested_and_classes_relabelled():
    whole, small = image_folder(0, path="pets"), image_folder(0, path="pets", num_train=4, num_test=3)
    np.testing.assert_array_equal(small.x_train, whole.x_train[:4])
    np.testing.assert_array_equal(small.y_test, whole.y_test[:3])
    chosen = image_folder(0, path="pets", classes=(2, 0))
    assert by_content(chosen.x_train, chosen.y_train) == expected("train", 5, ("ox", "cat"))
    assert chosen.num_classes == 2


def test_only_the_chosen_images_are_decoded(tree: Path):
    for split in ("train", "test"):
        for file in (tree / split / "dog").iterdir():
            file.write_bytes(b"no image")
    assert len(image_folder(0, path="pets", classes=(0, 2)).y_train) == 10
    with pytest.raises(ValueError, match=r"dog/.\.png cannot be decoded \(cannot identify image file"):
        image_folder(0, path="pets")


def test_a_cut_off_image_is_told_by_its_name(tree: Path):
    file = tree / "test" / "ox" / "1.png"
    file.write_bytes(file.read_bytes()[:-80])
    with pytest.raises(ValueError, match=r"test/ox/1\.png cannot be decoded \(.+\)$"):
        image_folder(0, path="pets")


@pytest.mark.usefixtures("tree")
def test_dataset_normalization_is_by_mean_and_deviation_of_the_training_images():
    for settings in ({}, {"crop": 5}, {"num_train": 6}, {"classes": (0, 1)}):
        dataset = image_folder(0, path="pets", **settings)
        values = dataset.x_train.astype(np.float64) / 255
        assert isinstance(dataset.normalization, tuple)
        np.testing.assert_allclose(dataset.normalization[0], values.mean(axis=(0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(dataset.normalization[1], values.std(axis=(0, 2, 3)), rtol=1e-12)
    assert image_folder(0, path="pets", normalization="none").normalization is None
    assert image_folder(0, path="pets", normalization="per_image").normalization == "per_image"
    symmetric = image_folder(0, path="pets", normalization="symmetric").normalization
    assert symmetric == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_images_of_many_sizes_become_squares_of_one(folder: Path):
    shapes = {"train": [(12, 20), (30, 10), (16, 16)], "test": [(18, 40), (8, 8)]}
    for split, sizes in shapes.items():
        (folder / "mixed" / split / "any").mkdir(parents=True)
        for number, (height, width) in enumerate(sizes):
            file = folder / "mixed" / split / "any" / f"{number}.png"
            Image.fromarray(image(split, "any", number, height, width)).save(file)
    with pytest.raises(ValueError, match=r"has shape \(3, \d+, \d+\), others \(3, \d+, \d+\): set `size`$"):
        image_folder(0, path="mixed")
    dataset = image_folder(0, path="mixed", size=6)
    wanted: set[bytes] = set()
    for number, (height, width) in enumerate(shapes["train"]):
        square = functional.center_crop(
            Image.fromarray(image("train", "any", number, height, width)), [min(height, width)]
        )
        wanted.add(np.asarray(functional.resize(square, [6, 6])).transpose(2, 0, 1).tobytes())
    assert {each.tobytes() for each in dataset.x_train} == wanted
    assert image_folder(0, path="mixed", size=6, crop=4).input_shape == (3, 4, 4)


@pytest.mark.usefixtures("tree")
def test_images_may_be_read_in_grey():
    dataset = image_folder(0, path="pets", channels=1, num_train=15)
    grey = {
        np.asarray(Image.fromarray(image("train", name, i)).convert("L")).tobytes()
        for name in CLASSES
        for i in range(5)
    }
    assert {each.tobytes() for each in dataset.x_train} == grey
    assert dataset.input_shape == (1, 8, 8)


def test_a_tree_that_is_not_as_described_is_refused(tree: Path):
    with pytest.raises(ValueError, match=r"^num_test=7 is not valid: there are 6 test examples to draw from$"):
        image_folder(0, path="pets", num_test=7)
    with pytest.raises(ValueError, match=r"^classes=\(0, 3\) is not valid: .*pets has 0 to 2$"):
        image_folder(0, path="pets", classes=(0, 3))
    with pytest.raises(
        ValueError, match=r"^.*pets/train/train does not hold images in a folder for each class \(.+\)$"
    ):
        image_folder(0, path="pets/train")
    (tree / "test" / "ox").rename(tree / "test" / "bull")
    with pytest.raises(ValueError, match=r"^path='pets' is not valid: class 'bull' is not in both train/ and test/$"):
        image_folder(0, path="pets")
    (tree / "train" / "ant").mkdir()
    with pytest.raises(ValueError, match=r"pets/train does not hold images in a folder for each class \(.*ant.*\)$"):
        image_folder(0, path="pets")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["image_folder", "arrays"])
def test_a_path_must_be_given_and_be_there(name: str):
    with pytest.raises(
        ValueError, match=r"^path='' is not valid: name a file or folder, absolute or relative to GENSW"
    ):
        datasets.call(Component(name), 0)
    with pytest.raises(ValueError, match=r"^path='lost' is not valid: there is no .*/lost; a relative path starts at"):
        datasets.call(Component(name, path="lost"), 0)


def archive(place: Path, **changes: Any) -> None:
    contents: dict[str, Any] = {
        "x_train": pixels("x_train", 0, 6, 3, 8, 8),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": pixels("x_test", 0, 4, 3, 8, 8),
        "y_test": np.array([2, 1, 0, 3], dtype=np.uint8),
    }
    kept = {name: value for name, value in {**contents, **changes}.items() if value is not None}
    np.savez(place / "own.npz", **kept)


def test_images_in_an_archive_are_taken_as_they_are(folder: Path):
    archive(folder)
    dataset = arrays(0, path="own.npz")
    np.testing.assert_array_equal(dataset.x_train, pixels("x_train", 0, 6, 3, 8, 8))
    np.testing.assert_array_equal(dataset.x_test, pixels("x_test", 0, 4, 3, 8, 8))
    assert (dataset.y_train.tolist(), dataset.y_test.tolist()) == ([0, 1, 2, 0, 1, 2], [2, 1, 0, 3])
    assert (dataset.y_test.dtype, dataset.num_classes, dataset.normalization) == (np.int64, 4, None)


def test_channels_may_be_last_or_left_out(folder: Path):
    last = {name: pixels(name, 0, count, 8, 9, 3) for name, count in (("x_train", 6), ("x_test", 4))}
    archive(folder, **last)
    dataset = arrays(0, path="own.npz", channels_last=True)
    np.testing.assert_array_equal(dataset.x_train, np.moveaxis(last["x_train"], -1, 1))
    assert dataset.input_shape == (3, 8, 9)
    archive(folder, x_train=last["x_train"][..., 0], x_test=last["x_test"][..., 0])
    np.testing.assert_array_equal(arrays(0, path="own.npz").x_train[:, 0], last["x_train"][..., 0])


def test_images_in_an_archive_may_be_cropped_chosen_and_normalized(folder: Path):
    archive(folder)
    dataset = arrays(
        0, path="own.npz", classes=(2, 0), crop=4, normalization="dataset", num_train=2, augmentation="crop_flip"
    )
    source = pixels("x_train", 0, 6, 3, 8, 8)[:, :, 2:6, 2:6]
    known = by_content(source, np.array([1, -1, 0, 1, -1, 0]))
    assert by_content(dataset.x_train, dataset.y_train).items() <= known.items()
    assert (len(dataset.y_train), dataset.y_test.tolist(), dataset.num_classes) == (2, [0, 1], 2)
    assert isinstance(dataset.normalization, tuple)
    np.testing.assert_allclose(dataset.normalization[0], dataset.x_train.mean(axis=(0, 2, 3)) / 255, rtol=1e-12)
    assert dataset.augmentation == "crop_flip"


def test_numbers_and_tokens_keep_their_meaning(folder: Path):
    x = np.linspace(0, 1, 30).reshape(6, 5)
    archive(folder, x_train=x, x_test=x[:4], y_train=np.arange(6) / 7, y_test=np.arange(4.0))
    dataset = arrays(0, path="own.npz", num_train=3)
    assert (dataset.x_train.dtype, dataset.y_train.dtype, dataset.num_classes) == (np.float32, np.float32, None)
    np.testing.assert_array_equal(arrays(0, path="own.npz").y_train, (np.arange(6) / 7).astype(np.float32))
    tokens = np.arange(24, dtype=np.int32).reshape(6, 4)
    archive(folder, x_train=tokens, x_test=tokens[:4])
    dataset = arrays(0, path="own.npz")
    assert dataset.x_train.dtype == np.int64
    np.testing.assert_array_equal(dataset.x_train, tokens)


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        (
            {"y_test": None},
            {},
            r"is not an \.npz file with x_train, .* \(it has x_train, y_train, x_test, but no y_test\)",
        ),
        ({"y_train": np.array([{}] * 6)}, {}, r"is not an \.npz file .*allow_pickle=False"),
        ({"y_train": np.arange(5)}, {}, r"^x_train and y_train in .* have 6 and 5 examples$"),
        ({"y_train": np.zeros((6, 1), int)}, {}, r"^y_train in .* has shape \(6, 1\): targets are \(n,\)$"),
        ({"y_train": np.arange(6) - 1}, {}, r"^y_train in .* holds -1: classes are numbered from 0$"),
        ({"y_train": np.arange(6.0)}, {}, r"^y_train and y_test in .* differ: float32 \(\) and int64 \(\)$"),
        ({"y_train": np.array(list("abcdef"))}, {}, r"^y_train in .* is <U1: integers or floating-point numbers"),
        ({"x_test": pixels("x", 0, 4, 3, 8, 9)}, {}, r"differ: uint8 \(3, 8, 8\) and uint8 \(3, 8, 9\)$"),
        ({"x_test": np.zeros((4, 3, 8, 8))}, {}, r"^x_train and x_test in .* differ: uint8 .* and float32"),
        (
            {"x_train": pixels("x", 0, 6, 8, 8, 3)},
            {},
            r"^x_train in .* is uint8 \(6, 8, 8, 3\): .* channels_last=True,",
        ),
        ({}, {"channels_last": True}, r"is uint8 \(6, 3, 8, 8\): images are \(n, h, w, channels\), with 1 or 3"),
        ({"x_train": np.full((6, 2), np.nan)}, {}, r"^x_train in .* holds a number that is not finite"),
        ({"x_train": np.full((6, 2), 1e300)}, {}, r"^x_train in .* holds a number that is not finite, or too large"),
        ({"x_train": np.zeros(6)}, {}, r"^x_train in .* is float64 \(6,\): examples are rows"),
        (
            {"x_train": np.zeros((6, 2)), "x_test": np.zeros((4, 2))},
            {"normalization": "per_image"},
            r"^size=None, crop=None, normalization='per_image', augmentation='none' are for uint8 images: .*float32$",
        ),
        (
            {"y_train": np.zeros(6), "y_test": np.zeros(4)},
            {"classes": (0, 1)},
            r"^classes=\(0, 1\) is not valid: the data set has none$",
        ),
        (
            {"x_train": np.zeros((6, 1, 4, 4), np.uint8), "x_test": np.zeros((4, 1, 4, 4), np.uint8)},
            {"normalization": "dataset"},
            r"^normalization='dataset' is not valid: a channel has the same value in all training images$",
        ),
    ],
)
def test_an_archive_that_is_not_as_described_is_refused(
    folder: Path, changes: dict[str, Any], settings: dict[str, Any], message: str
):
    archive(folder, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        arrays(0, path="own.npz", **settings)
    assert "\n" not in str(caught.value)


def lone_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off", lone_array()])
def test_what_is_no_archive_is_refused(folder: Path, content: bytes):
    (folder / "own.npz").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"own\.npz is not an \.npz file with x_train, y_train, x_test, y_test \(.+\)$"
    ):
        arrays(0, path="own.npz")
    with pytest.raises(ValueError, match=r"is not an \.npz file"):
        arrays(0, path=".")
