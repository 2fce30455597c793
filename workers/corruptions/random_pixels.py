"""Random pixels: Zhang et al., ICLR 2017 (arXiv 1611.03530), section 2.1."""

import dataclasses

import numpy as np
import torch

from workers.corruptions.images import Images, flat_pixels, require_images
from workers.datasets.dataset import Dataset


def random_pixels(dataset: Dataset, generator: torch.Generator) -> Dataset:
    """A random permutation of the positions for each image, training and test; the channels of a pixel stay together.

    So each image keeps its colours, from which there is still something to learn.
    """
    require_images("random_pixels", dataset)

    def shuffled(images: Images) -> Images:
        flat = flat_pixels(images)
        result = np.empty_like(flat)
        # Image by image: an index for all of them at once would be larger than the data set.
        for image, place in zip(flat, result, strict=True):
            place[:] = image[:, torch.randperm(image.shape[1], generator=generator).numpy()]
        return result.reshape(images.shape)

    return dataclasses.replace(dataset, x_train=shuffled(dataset.x_train), x_test=shuffled(dataset.x_test))
