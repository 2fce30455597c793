"""Two classes of CIFAR-10 (Loukas, Poiitis & Jegelka, arXiv 2106.04186, task 2)."""

import dataclasses

from workers.datasets.dataset import Dataset
from workers.datasets.images import Size, chosen_images
from workers.datasets.source_files import torchvision_images

AIRPLANE, DOG = 0, 5
NORMALIZATION = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def binary_cifar(data_seed: int, *, size: Size = None, num_train: Size = None, num_test: Size = None) -> Dataset:
    """Airplanes (0) and dogs (1) of CIFAR-10, pixels from -1 to 1; 10,000 training and 2,000 test images.

    Downloaded like `cifar10`; smaller subsets are drawn by `data_seed`, nested. `size` resizes images to so many
    pixels a side (bilinear). Corruption c of the paper is `random_labels(fraction=c)`, which flips a share c / 2.
    """
    source = torchvision_images("CIFAR10", "CIFAR-10")
    chosen = chosen_images(
        source, data_seed, classes=(AIRPLANE, DOG), num_train=num_train, num_test=num_test, size=size
    )
    return dataclasses.replace(chosen, normalization=NORMALIZATION)
