"""Dataset: the arrays a trial trains and is tested on, before they become tensors on a device."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Dataset:
    """Examples in rows. Inputs (n, ...) are float32 or uint8 images; labels (n,) are int64 classes from 0."""

    x_train: NDArray[np.generic]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.generic]
    y_test: NDArray[np.int64]
    num_classes: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.x_train.shape[1:]
