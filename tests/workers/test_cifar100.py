"""CIFAR-100 from small files in its own format, through the real loader and its check sums."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.datasets import CIFAR100
from torchvision.transforms import Compose, Normalize, ToTensor

from measures.registry import Component
from tests.workers.small_files import write_cifar
from workers.building import build_problem
from workers.datasets import datasets
from workers.datasets.cifar100 import NORMALIZATION, cifar100
from workers.datasets.prepared import prepared
from workers.problem import Problem
from workers.runtime import Runtime
from workers.spec import TrialSpec

BLACK_IMAGE = 5


def pixels(count: int) -> NDArray[np.uint8]:
    """Random images, flat as in the files; one of them is black."""
    images = np.random.default_rng(count).integers(256, size=(count, 3 * 32 * 32), dtype=np.uint8)
    images[BLACK_IMAGE] = 0
    return images


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GENSWEEP_DATA with 12 training and 6 test images; torchvision expects the MD5 sums of these files."""
    folder = tmp_path / "data"
    train = {"train": {"data": pixels(12), "fine_labels": list(range(12)), "coarse_labels": [0] * 12}}
    test = {"test": {"data": pixels(6), "fine_labels": list(range(94, 100)), "coarse_labels": [0] * 6}}
    write_cifar(CIFAR100, folder, monkeypatch, train, test, {"fine_label_names": [f"class {i}" for i in range(100)]})
    monkeypatch.setenv("GENSWEEP_DATA", str(folder))
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The download goes to a place that is not there."""
    monkeypatch.setattr(CIFAR100, "url", (tmp_path / "nowhere" / CIFAR100.filename).as_uri())


@pytest.mark.usefixtures("files")
def test_images_have_their_channels_first_and_fine_labels():
    dataset = cifar100(0)
    np.testing.assert_array_equal(dataset.x_train, pixels(12).reshape(12, 3, 32, 32))
    np.testing.assert_array_equal(dataset.x_test, pixels(6).reshape(6, 3, 32, 32))
    assert dataset.x_train.dtype == np.uint8
    assert dataset.y_train.tolist() == list(range(12))
    assert dataset.y_test.tolist() == list(range(94, 100))
    assert (dataset.num_classes, dataset.input_shape) == (100, (3, 32, 32))


@pytest.mark.usefixtures("files")
def test_preparing_keeps_normalization_and_augmentation(tmp_path: Path):
    for augmentation in ("none", "crop_flip"):
        component = datasets.resolve(Component("cifar100", augmentation=augmentation))
        kept = prepared(component, 0, tmp_path / "cache").dataset
        assert kept.normalization == NORMALIZATION
        assert kept.augmentation == augmentation
        np.testing.assert_array_equal(kept.x_train, pixels(12).reshape(12, 3, 32, 32))


def problem_of(dataset: Component, tmp_path: Path) -> Problem:
    model = Component("preact_resnet18", width=1)
    spec = TrialSpec(dataset=dataset, model=model, optimizer=Component("sgd"), fit=Component("sgd"))
    return build_problem(spec, Runtime(tracking_uri="", cache=tmp_path / "cache"))


def test_the_network_sees_what_torchvision_would_show_it(files: Path, tmp_path: Path):
    problem = problem_of(Component("cifar100"), tmp_path)
    reference = CIFAR100(files, train=True, transform=Compose([ToTensor(), Normalize(*NORMALIZATION)]))
    torch.testing.assert_close(problem.train.inputs, torch.stack([x for x, _ in reference]), rtol=0, atol=0)
    assert problem.augment is None


@pytest.mark.usefixtures("files")
def test_augmentation_pads_with_what_a_black_pixel_became(tmp_path: Path):
    problem = problem_of(Component("cifar100", augmentation="crop_flip"), tmp_path)
    assert problem.augment is not None
    image = problem.train.inputs[BLACK_IMAGE].expand(8, -1, -1, -1)
    assert torch.equal(problem.augment(image, torch.Generator().manual_seed(0)), image)


def test_a_read_only_copy_is_used_as_it_is(files: Path):
    files.chmod(0o555)
    try:
        assert len(cifar100(0).x_train) == 12
    finally:
        files.chmod(0o755)


@pytest.mark.usefixtures("offline")
def test_missing_files_are_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GENSWEEP_DATA", str(tmp_path / "empty"))
    with pytest.raises(
        ValueError, match=r"^CIFAR-100 is not in .*/empty and cannot be downloaded \(.+\); set GENSW.*$"
    ):
        cifar100(0)


@pytest.mark.usefixtures("offline")
def test_a_damaged_file_is_not_used(files: Path):
    (files / CIFAR100.base_folder / "test").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"^CIFAR-100 in .* is incomplete or damaged \(.+\); delete it"):
        cifar100(0)


def test_where_the_files_lie_is_not_part_of_the_identity(monkeypatch: pytest.MonkeyPatch):
    identities: set[str] = set()
    for folder in ("here", "there"):
        monkeypatch.setenv("GENSWEEP_DATA", folder)
        identities.add(str(datasets.canonical(Component("cifar100"))))
    assert identities == {"['cifar100', {}]"}
