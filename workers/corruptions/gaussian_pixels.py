"""Gaussian pixels: Zhang et al., ICLR 2017 (arXiv 1611.03530), section 2.1."""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from workers.corruptions.images import Images, require_images
from workers.datasets.dataset import Dataset


def gaussian_pixels(dataset: Dataset, generator: torch.Generator, *, clamp: bool = False) -> Dataset:
    """Each pixel, training and test, is drawn from a normal with the mean and deviation of its channel in training.

    The images become float32, with black at 0 and white at 1, and are normalised afterwards like any others. `clamp`
    moves what is darker than black or brighter than white to these bounds, as a public reproduction of the paper does.
    """
    require_images("gaussian_pixels", dataset)
    mean, deviation = _channel_statistics(dataset.x_train)

    def drawn(images: Images) -> Images:
        result = torch.empty(images.shape, dtype=torch.float32)
        # Image by image, because what torch draws for an element depends on the size of the tensor that it fills.
        for image in result:
            image.normal_(generator=generator).mul_(deviation).add_(mean)
        return (result.clamp_(0, 1) if clamp else result).numpy()

    return dataclasses.replace(dataset, x_train=drawn(dataset.x_train), x_test=drawn(dataset.x_test))


def _channel_statistics(images: Images) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel (channels, 1, 1), black 0 and white 1, summed in float64."""
    white = 255 if images.dtype == np.uint8 else 1
    sums = np.zeros((2, images.shape[1]))
    for image in images:
        values = image.reshape(len(image), -1).astype(np.float64) / white
        sums += values.sum(axis=1), (values**2).sum(axis=1)
    mean, mean_square = sums / (images.size / images.shape[1])
    # Rounding may leave a channel of one colour with a variance just below zero.
    deviation = np.sqrt(np.maximum(mean_square - mean**2, 0))
    return torch.from_numpy(mean).float().view(-1, 1, 1), torch.from_numpy(deviation).float().view(-1, 1, 1)
