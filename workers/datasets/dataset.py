"""Dataset: the arrays a trial trains and is tested on, before they become tensors on a device."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Augmentation = Literal["none", "crop_flip"]


@dataclass(frozen=True)
class Dataset:
    """Examples in rows. Inputs (n, ...) are float32 or uint8 images; labels (n,) are int64 classes from 0.

    `normalization` is the mean and standard deviation of each channel, on the scale where black is 0 and white 1.
    `augmentation` is for training batches only: what is measured and tested is never augmented.
    """

    x_train: NDArray[np.generic]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.generic]
    y_test: NDArray[np.int64]
    num_classes: int
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    augmentation: Augmentation = "none"

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.x_train.shape[1:]
