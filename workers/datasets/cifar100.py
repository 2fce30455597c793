"""CIFAR-100: 50,000 training and 10,000 test images of 32 x 32 pixels in colour, one hundred classes.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

import dataclasses
from typing import Literal

from workers.datasets.cifar10 import ACTIVATION_ID, NORMALIZATION
from workers.datasets.dataset import Augmentation, Dataset, Normalization
from workers.datasets.images import Classes, Size, chosen_images, symmetric
from workers.datasets.source_files import torchvision_images


def cifar100(
    data_seed: int,
    *,
    normalization: Literal["dataset", "activation_id", "symmetric", "per_image", "none"] = "dataset",
    size: Size = None,
    crop: Size = None,
    num_train: Size = None,
    num_test: Size = None,
    classes: Classes = None,
    augmentation: Augmentation = "none",
) -> Dataset:
    """CIFAR-100 images, downloaded once into the folder GENSWEEP_DATA (default: ~/.cache/gensweep/data).

    The constants of "dataset" are those of CIFAR-10, as Maddox, Benton & Wilson (arXiv 2003.02139) use them here; those
    of "activation_id" are the statistics of CIFAR-100 itself, as Brown et al. (arXiv 2211.13239) use them.
    `size` resizes them (bilinear), `crop` then keeps the central square; subsets are drawn by `data_seed`, nested;
    `classes` are relabelled from 0 in the order given.
    """
    constants: dict[str, Normalization] = {
        "dataset": NORMALIZATION,
        "activation_id": ACTIVATION_ID,
        "symmetric": symmetric(3),
        "per_image": "per_image",
        "none": None,
    }
    source = torchvision_images("CIFAR100", "CIFAR-100")
    chosen = chosen_images(
        source, data_seed, classes=classes, num_train=num_train, num_test=num_test, size=size, crop=crop
    )
    return dataclasses.replace(chosen, normalization=constants[normalization], augmentation=augmentation)
