"""Shuffled pixels: Zhang et al., ICLR 2017 (arXiv 1611.03530), section 2.1."""

import dataclasses
import math

import numpy as np
import torch

from workers.corruptions.images import Images, flat_pixels, require_images
from workers.datasets.dataset import Dataset


def shuffled_pixels(dataset: Dataset, generator: torch.Generator) -> Dataset:
    """One random permutation of the positions, the same for all channels of all images, training and test."""
    require_images("shuffled_pixels", dataset)
    permutation = torch.randperm(math.prod(dataset.input_shape[1:]), generator=generator).numpy()

    def shuffled(images: Images) -> Images:
        return np.take(flat_pixels(images), permutation, axis=2).reshape(images.shape)

    return dataclasses.replace(dataset, x_train=shuffled(dataset.x_train), x_test=shuffled(dataset.x_test))
