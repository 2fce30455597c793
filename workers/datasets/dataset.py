"""Dataset: the arrays a trial trains and is tested on, before they become tensors on a device."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Augmentation = Literal["none", "crop_flip", "crop_flip_rotation"]
Normalization = tuple[tuple[float, ...], tuple[float, ...]] | Literal["per_image"] | None


@dataclass(frozen=True)
class Dataset:
    """Examples in rows.

    Inputs (n, ...) are uint8 images (n, channels, h, w), float32 numbers, or int64 tokens. Targets (n,) are int64
    classes from 0; or, where `num_classes` is None, float32 numbers.
    `normalization` is the mean and standard deviation of each channel, on the scale where black is 0 and white 1; or
    "per_image": each image less its mean, divided by its standard deviation, which counts as at least
    1 / sqrt(number of values) (Zhang et al. 2017; TensorFlow's "per image whitening").
    `augmentation` is for training batches only: what is measured and tested is never augmented.
    """

    x_train: NDArray[np.generic]
    y_train: NDArray[np.generic]
    x_test: NDArray[np.generic]
    y_test: NDArray[np.generic]
    num_classes: int | None
    normalization: Normalization = None
    augmentation: Augmentation = "none"

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.x_train.shape[1:]
