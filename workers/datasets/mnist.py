"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 pixels in grey, ten classes.

LeCun, Cortes & Burges, "The MNIST database of handwritten digits", 1998.
"""

import dataclasses

from workers.datasets.dataset import Augmentation, Dataset, Normalization
from workers.datasets.images import Classes, ImageNormalization, Size, chosen_images, symmetric
from workers.datasets.source_files import torchvision_images

NORMALIZATION = ((0.1307,), (0.3081,))  # of the training images


def mnist(
    data_seed: int,
    *,
    normalization: ImageNormalization = "dataset",
    size: Size = None,
    crop: Size = None,
    num_train: Size = None,
    num_test: Size = None,
    classes: Classes = None,
    augmentation: Augmentation = "none",
) -> Dataset:
    """MNIST images, downloaded once into the folder GENSWEEP_DATA (default: ~/.cache/gensweep/data).

    `size` resizes them (bilinear), `crop` then keeps the central square; subsets are drawn by `data_seed`, nested;
    `classes` are relabelled from 0 in the order given.
    """
    constants: dict[str, Normalization] = {
        "dataset": NORMALIZATION,
        "symmetric": symmetric(1),
        "per_image": "per_image",
        "none": None,
    }
    source = torchvision_images("MNIST", "MNIST")
    chosen = chosen_images(
        source, data_seed, classes=classes, num_train=num_train, num_test=num_test, size=size, crop=crop
    )
    return dataclasses.replace(chosen, normalization=constants[normalization], augmentation=augmentation)
