"""What the corruptions of pixels share: they are for images."""

import numpy as np
from numpy.typing import NDArray

from workers.datasets.dataset import Dataset

Images = NDArray[np.generic]


def require_images(name: str, dataset: Dataset) -> None:
    """ValueError unless the data set holds images (n, channels, height, width)."""
    if len(dataset.input_shape) != 3:
        raise ValueError(
            f"corruption {name} is not valid for examples of shape {dataset.input_shape}: "
            "it is for images (channels, height, width)"
        )


def flat_pixels(images: Images) -> Images:
    """Images (n, channels, height, width) as (n, channels, positions)."""
    return np.asarray(images).reshape(*images.shape[:2], -1)
