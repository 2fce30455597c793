"""Two digits of MNIST (Loukas, Poiitis & Jegelka, arXiv 2106.04186, released code)."""

import dataclasses
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from workers.datasets.dataset import Dataset
from workers.datasets.images import of_classes
from workers.datasets.source_files import torchvision_images

NORMALIZATION = ((0.5,), (0.5,))


def binary_mnist(
    _data_seed: int,
    *,
    train_per_class: Annotated[int, Field(ge=1)] = 100,
    test_per_class: Annotated[int, Field(ge=1)] = 900,
) -> Dataset:
    """Digits 3 (class 0) and 6 (class 1) of MNIST, the first of each in the files, pixels from -1 to 1."""
    source = of_classes(torchvision_images("MNIST", "MNIST"), (3, 6))
    train, test = _first(source.y_train, train_per_class, "train"), _first(source.y_test, test_per_class, "test")
    return dataclasses.replace(
        source,
        x_train=source.x_train[train],
        y_train=source.y_train[train],
        x_test=source.x_test[test],
        y_test=source.y_test[test],
        normalization=NORMALIZATION,
    )


def _first(labels: NDArray[np.generic], wanted: int, split: str) -> NDArray[np.intp]:
    """Rows of the first examples of both classes, in the order of the files."""
    rows = [np.flatnonzero(labels == label) for label in (0, 1)]
    if wanted > min(map(len, rows)):
        raise ValueError(
            f"{split}_per_class={wanted} is not valid: there are {len(rows[0])} threes and {len(rows[1])} sixes"
        )
    return np.sort(np.concatenate([each[:wanted] for each in rows]))
