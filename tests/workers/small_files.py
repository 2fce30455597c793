"""Small files in the formats of CIFAR and MNIST, which torchvision's own loaders read."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torchvision.datasets import CIFAR10, MNIST

TRAIN_LABELS = [label for _ in range(6) for label in range(10)]
TEST_LABELS = [label for _ in range(2) for label in range(10)]


def pixels(count: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(256, size=(count, *shape), dtype=np.uint8)


def write_cifar(
    kind: type[CIFAR10],
    folder: Path,
    patch: pytest.MonkeyPatch,
    train: Mapping[str, Any],
    test: Mapping[str, Any],
    meta: Any,
) -> Path:
    """The contents of the files by name; torchvision then expects the MD5 sums of these."""
    place = folder / kind.base_folder
    place.mkdir(parents=True)

    def write(name: str, content: Any) -> str:
        data = pickle.dumps(content)
        (place / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    patch.setattr(kind, "train_list", [[name, write(name, content)] for name, content in train.items()])
    patch.setattr(kind, "test_list", [[name, write(name, content)] for name, content in test.items()])
    patch.setattr(kind, "meta", {**kind.meta, "md5": write(kind.meta["filename"], meta)})
    return place


def write_cifar10(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Two training batches of 30 images and 20 test images."""
    flat = pixels(60, 3072)
    train = {f"data_batch_{i}": {"data": flat[30 * i :][:30], "labels": TRAIN_LABELS[:30]} for i in (0, 1)}
    test = {"test_batch": {"data": pixels(20, 3072), "labels": TEST_LABELS}}
    meta = {"label_names": [f"class {i}" for i in range(10)]}
    return write_cifar(CIFAR10, folder, patch, train, test, meta)


def idx(array: NDArray[np.uint8]) -> bytes:
    """An array in the format of the MNIST files."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    return header + array.tobytes()


def write_mnist(folder: Path, kind: type[MNIST]) -> Path:
    """60 training and 20 test images."""
    place = folder / kind.__name__ / "raw"
    place.mkdir(parents=True)
    for name, labels in (("train", TRAIN_LABELS), ("t10k", TEST_LABELS)):
        (place / f"{name}-images-idx3-ubyte").write_bytes(idx(pixels(len(labels), 28, 28)))
        (place / f"{name}-labels-idx1-ubyte").write_bytes(idx(np.array(labels, dtype=np.uint8)))
    return place
