"""CIFAR-100: 50,000 training and 10,000 test images of 32 x 32 pixels in colour, one hundred classes.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009. Where the files lie is a circumstance and not
a setting, so it comes from the environment (GENSWEEP_DATA) and stays out of a trial's identity. Not from the working
directory, which Ray Tune changes for every trial.
"""

import fcntl
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import CIFAR100

from workers.datasets.dataset import Augmentation, Dataset

# Those of CIFAR-10, as Maddox, Benton & Wilson (arXiv 2003.02139) use them for CIFAR-100.
NORMALIZATION = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def cifar100(_data_seed: int, *, augmentation: Augmentation = "none") -> Dataset:
    """CIFAR-100 images, downloaded once into the folder GENSWEEP_DATA (default: ~/.cache/gensweep/data)."""
    folder = Path(os.environ.get("GENSWEEP_DATA") or Path.home() / ".cache" / "gensweep" / "data").absolute()
    try:
        _download(folder)
        train, test = CIFAR100(folder, train=True), CIFAR100(folder, train=False)
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"CIFAR-100 is not in {folder} and cannot be downloaded ({error}); "
            f"set GENSWEEP_DATA to the folder that holds {CIFAR100.base_folder}/"
        ) from error
    return Dataset(
        x_train=_channels_first(train),
        y_train=np.array(train.targets, dtype=np.int64),
        x_test=_channels_first(test),
        y_test=np.array(test.targets, dtype=np.int64),
        num_classes=100,
        normalization=NORMALIZATION,
        augmentation=augmentation,
    )


def _download(folder: Path) -> None:
    if (folder / CIFAR100.base_folder).is_dir() and not os.access(folder, os.W_OK):
        return  # a shared, read-only copy
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".cifar100.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # trials with other settings may be looking for the same files
        CIFAR100(folder, download=True)


def _channels_first(images: CIFAR100) -> NDArray[np.uint8]:
    return np.ascontiguousarray(images.data.transpose(0, 3, 1, 2))
