"""CIFAR-10: 50,000 training and 10,000 test images of 32 x 32 pixels in colour, ten classes.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
"""

import dataclasses
from typing import Literal

from workers.datasets.dataset import Augmentation, Dataset, Normalization
from workers.datasets.images import Classes, Size, chosen_images, symmetric
from workers.datasets.source_files import torchvision_images

# Brown et al. (arXiv 2211.13239) and Maddox, Benton & Wilson (arXiv 2003.02139). The deviations are the mean over the
# images of the deviation inside an image, a slip that is older than both papers.
NORMALIZATION = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
# Of the central 28 x 28 pixels, in a public reproduction of Zhang et al. (arXiv 1611.03530).
CENTRE_NORMALIZATION = ((0.489255, 0.475775, 0.439889), (0.243047, 0.239315, 0.255997))
# The statistics of CIFAR-100: the released CIFAR-10 runs of Brown et al. inherit them from the CIFAR-100 configuration.
ACTIVATION_ID = ((0.50708, 0.48655, 0.44092), (0.26733, 0.25644, 0.27615))


def cifar10(
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
    """CIFAR-10 images, downloaded once into the folder GENSWEEP_DATA (default: ~/.cache/gensweep/data).

    `size` resizes them to so many pixels a side (bilinear), with the constants of the full size; `crop` then keeps the
    central square: 28, with constants of its own, in Zhang et al.; per-image normalisation is what their paper says.
    Subsets are drawn by `data_seed`, nested. `classes` are relabelled from 0 in the order given.
    """
    constants: dict[str, Normalization] = {
        "dataset": CENTRE_NORMALIZATION if crop == 28 else NORMALIZATION,
        "activation_id": ACTIVATION_ID,
        "symmetric": symmetric(3),
        "per_image": "per_image",
        "none": None,
    }
    source = torchvision_images("CIFAR10", "CIFAR-10")
    chosen = chosen_images(
        source, data_seed, classes=classes, num_train=num_train, num_test=num_test, size=size, crop=crop
    )
    return dataclasses.replace(chosen, normalization=constants[normalization], augmentation=augmentation)
