"""CIFAR-10, MNIST and their relatives from small files in their own formats, through the real loaders."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, MNIST, FashionMNIST
from torchvision.transforms import functional

from measures.registry import Component
from tests.workers.small_files import TEST_LABELS, TRAIN_LABELS, pixels, write_cifar10, write_mnist
from workers.building import build_problem
from workers.datasets import datasets
from workers.datasets.binary_cifar import binary_cifar
from workers.datasets.binary_mnist import binary_mnist
from workers.datasets.cifar10 import cifar10
from workers.datasets.cifar100 import cifar100
from workers.datasets.fashion_mnist import fashion_mnist
from workers.datasets.mnist import mnist
from workers.datasets.prepared import prepared
from workers.runtime import Runtime
from workers.spec import TrialSpec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GENSWEEP_DATA, empty; downloads go to a place that is not there."""
    monkeypatch.setenv("GENSWEEP_DATA", str(tmp_path / "data"))
    nowhere = (tmp_path / "nowhere").as_uri()
    monkeypatch.setattr(CIFAR10, "url", f"{nowhere}/{CIFAR10.filename}")
    for kind in (MNIST, FashionMNIST):
        monkeypatch.setattr(kind, "mirrors", [f"{nowhere}/", f"{nowhere}/again/"])
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def cifar10_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_cifar10(folder, monkeypatch)


@pytest.mark.usefixtures("cifar10_files")
def test_cifar10_is_read_with_its_channels_first():
    dataset = cifar10(0)
    np.testing.assert_array_equal(dataset.x_train, pixels(60, 3072).reshape(60, 3, 32, 32))
    np.testing.assert_array_equal(dataset.x_test, pixels(20, 3072).reshape(20, 3, 32, 32))
    assert (dataset.y_train.tolist(), dataset.y_test.tolist()) == (TRAIN_LABELS, TEST_LABELS)
    assert (dataset.y_train.dtype, dataset.num_classes) == (np.int64, 10)


@pytest.mark.parametrize(("kind", "entry"), [(MNIST, mnist), (FashionMNIST, fashion_mnist)])
def test_mnist_and_fashion_mnist_have_one_channel(folder: Path, kind: type[MNIST], entry: Any):
    write_mnist(folder, kind)
    dataset = entry(0)
    np.testing.assert_array_equal(dataset.x_train, pixels(60, 28, 28)[:, None])
    np.testing.assert_array_equal(dataset.x_test, pixels(20, 28, 28)[:, None])
    assert (dataset.y_train.tolist(), dataset.y_test.tolist()) == (TRAIN_LABELS, TEST_LABELS)
    assert (dataset.y_train.dtype, dataset.num_classes, dataset.input_shape) == (np.int64, 10, (1, 28, 28))


@pytest.mark.usefixtures("cifar10_files")
def test_each_normalization_has_the_constants_of_its_source():
    zhang = ((0.489255, 0.475775, 0.439889), (0.243047, 0.239315, 0.255997))
    maddox = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    brown = ((0.50708, 0.48655, 0.44092), (0.26733, 0.25644, 0.27615))
    assert cifar10(0).normalization == maddox
    assert cifar10(0, crop=24).normalization == maddox
    assert cifar10(0, crop=28).normalization == zhang
    assert cifar10(0, normalization="activation_id").normalization == brown
    assert cifar10(0, normalization="per_image", crop=28).normalization == "per_image"
    assert cifar10(0, normalization="none").normalization is None
    assert cifar10(0, normalization="symmetric").normalization == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.usefixtures("cifar10_files")
@pytest.mark.parametrize("side", [28, 29, 31, 32])
def test_the_crop_is_torchvisions_central_crop(side: int):
    expected = functional.center_crop(torch.from_numpy(pixels(60, 3072).reshape(60, 3, 32, 32)), [side])
    dataset = cifar10(0, crop=side)
    np.testing.assert_array_equal(dataset.x_train, expected.numpy())
    assert dataset.x_test.shape == (20, 3, side, side)


@pytest.mark.usefixtures("cifar10_files")
def test_images_are_resized_as_torchvision_does_it_and_then_cropped():
    images = [Image.fromarray(each.transpose(1, 2, 0)) for each in pixels(60, 3072).reshape(60, 3, 32, 32)]
    expected = np.stack([np.asarray(functional.resize(each, [12, 12])).transpose(2, 0, 1) for each in images])
    np.testing.assert_array_equal(cifar10(0, size=12).x_train, expected)
    np.testing.assert_array_equal(cifar10(0, size=12, crop=10).x_train, expected[:, :, 1:11, 1:11])


@pytest.mark.usefixtures("cifar10_files")
def test_classes_are_relabelled_in_the_order_given():
    dataset = cifar10(0, classes=(7, 2))
    rows = [row for row, label in enumerate(TRAIN_LABELS) if label in (7, 2)]
    np.testing.assert_array_equal(dataset.x_train, pixels(60, 3072).reshape(60, 3, 32, 32)[rows])
    assert dataset.y_train.tolist() == [(7, 2).index(TRAIN_LABELS[row]) for row in rows]
    assert (dataset.y_test.tolist(), dataset.num_classes) == ([1, 0, 1, 0], 2)


@pytest.mark.usefixtures("cifar10_files")
def test_subsets_are_nested_and_drawn_by_the_data_seed():
    whole, large, small = (cifar10(3, num_train=number, num_test=7) for number in (60, 40, 15))
    assert small.x_train.shape == (15, 3, 32, 32)
    np.testing.assert_array_equal(large.x_train[:15], small.x_train)
    np.testing.assert_array_equal(large.y_train[:15], small.y_train)
    all_images = cifar10(3)
    assert {image.tobytes() for image in whole.x_train} == {image.tobytes() for image in all_images.x_train}
    label_of = {image.tobytes(): label for image, label in zip(all_images.x_train, TRAIN_LABELS, strict=True)}
    assert [label_of[image.tobytes()] for image in small.x_train] == small.y_train.tolist()
    np.testing.assert_array_equal(cifar10(3, num_test=7).x_test, small.x_test)
    assert not np.array_equal(cifar10(4, num_train=15).x_train, small.x_train)


@pytest.mark.usefixtures("cifar10_files")
def test_binary_cifar_is_airplanes_and_dogs_from_minus_one_to_one(tmp_path: Path):
    dataset = binary_cifar(0)
    rows = [row for row, label in enumerate(TRAIN_LABELS) if label in (0, 5)]
    np.testing.assert_array_equal(dataset.x_train, pixels(60, 3072).reshape(60, 3, 32, 32)[rows])
    assert dataset.y_train.tolist() == [int(TRAIN_LABELS[row] == 5) for row in rows]
    assert (dataset.y_test.tolist(), dataset.num_classes) == ([0, 1, 0, 1], 2)
    assert len(binary_cifar(0, num_train=4).y_train) == 4
    spec = TrialSpec(
        dataset=Component("binary_cifar"),
        model=Component("mlp", width=2),
        loss=Component("half_binary_cross_entropy"),
        optimizer=Component("sgd"),
        fit=Component("sgd"),
    )
    seen = build_problem(spec, Runtime(tracking_uri="", cache=tmp_path / "cache")).train.inputs
    expected = (torch.from_numpy(dataset.x_train.copy()).double() / 255 - 0.5) / 0.5
    torch.testing.assert_close(seen.double(), expected, rtol=0, atol=1e-6)


def test_binary_mnist_is_the_first_threes_and_sixes(folder: Path):
    write_mnist(folder, MNIST)
    dataset = binary_mnist(0, train_per_class=4, test_per_class=2)
    rows = [3, 6, 13, 16, 23, 26, 33, 36]
    np.testing.assert_array_equal(dataset.x_train, pixels(60, 28, 28)[rows, None])
    assert (dataset.y_train.tolist(), dataset.y_test.tolist()) == ([0, 1] * 4, [0, 1] * 2)
    assert (dataset.num_classes, dataset.normalization) == (2, ((0.5,), (0.5,)))
    with pytest.raises(ValueError, match=r"^test_per_class=900 is not valid: there are 2 threes and 2 sixes$"):
        binary_mnist(0, train_per_class=4)


@pytest.mark.usefixtures("cifar10_files")
def test_per_image_normalization_survives_the_cache_and_reaches_the_network(tmp_path: Path):
    component = Component("cifar10", normalization="per_image", crop=28)
    spec = TrialSpec(dataset=component, model=Component("mlp"), optimizer=Component("sgd"), fit=Component("sgd"))
    cache = tmp_path / "cache"
    assert prepared(component, 0, cache).dataset.normalization == "per_image"
    seen = build_problem(spec, Runtime(tracking_uri="", cache=cache)).train.inputs.flatten(1)
    torch.testing.assert_close(seen.mean(dim=1), torch.zeros(60), rtol=0, atol=1e-6)
    torch.testing.assert_close(seen.std(dim=1, correction=0), torch.ones(60), rtol=1e-5, atol=0)


@pytest.mark.usefixtures("cifar10_files")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_train": 61}, r"^num_train=61 is not valid: there are 60 train examples to draw from$"),
        ({"num_test": 3, "classes": (1,)}, r"classes=\(1,\) is not valid: value error, name at least two classes"),
        ({"classes": (1, 1)}, r"classes=\(1, 1\) is not valid: value error, name at least two classes, each once"),
        ({"classes": (1, 10)}, r"^classes=\(1, 10\) is not valid: the data set has 0 to 9$"),
        ({"num_test": 5, "classes": (1, 2)}, r"^num_test=5 is not valid: there are 4 test examples to draw from$"),
        ({"crop": 33}, r"^crop=33 is not valid: the images have 32 x 32 pixels$"),
        ({"normalization": "mine"}, r"normalization='mine' is not valid"),
    ],
)
def test_what_the_images_cannot_give_is_told_in_one_line(settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message) as caught:
        datasets.call(Component("cifar10", **settings), 0)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("entry", "name", "place"),
    [
        (cifar10, "CIFAR-10", "cifar-10-batches-py"),
        (cifar100, "CIFAR-100", "cifar-100-python"),
        (mnist, "MNIST", "MNIST/raw"),
        (fashion_mnist, "Fashion-MNIST", "FashionMNIST/raw"),
    ],
)
def test_missing_files_are_told_in_one_line(entry: Any, name: str, place: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torchvision.datasets.CIFAR100.url", CIFAR10.url)
    message = rf"^{name} is not in .*data and cannot be downloaded \(.+\); set GENSWEEP_DATA to .* holds {place}/$"
    with pytest.raises(ValueError, match=message) as caught:
        entry(0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("split", ["train", "t10k"])
@pytest.mark.parametrize("kept", [0, 3, 300])
def test_a_file_of_mnist_that_is_cut_short_is_not_used(folder: Path, split: str, kept: int):
    file = write_mnist(folder, MNIST) / f"{split}-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"^MNIST in .*MNIST/raw is incomplete or damaged \(.+\); delete it"):
        mnist(0)


def test_compressed_files_of_mnist_are_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch):
    place = write_mnist(folder, MNIST)
    resources: list[tuple[str, str]] = []
    for file in sorted(place.iterdir()):
        packed = gzip.compress(file.read_bytes())
        (place / f"{file.name}.gz").write_bytes(packed)
        resources.append((f"{file.name}.gz", hashlib.md5(packed).hexdigest()))
        file.unlink()
    monkeypatch.setattr(MNIST, "resources", resources)
    np.testing.assert_array_equal(mnist(0).x_test, pixels(20, 28, 28)[:, None])
