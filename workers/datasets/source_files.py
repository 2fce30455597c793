"""Where the files of a data set lie, and those that torchvision downloads.

That place is a circumstance and not a setting, so it comes from the environment (GENSWEEP_DATA) and stays out of a
trial's identity. Not from the working directory, which Ray Tune changes for every trial.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workers.datasets.dataset import Dataset

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10, MNIST


ImageSet = Literal["CIFAR10", "CIFAR100", "MNIST", "FashionMNIST"]
# Shape of an image, training images, test images, classes; as published.
SIZES: dict[ImageSet, tuple[tuple[int, int, int], int, int, int]] = {
    "CIFAR10": ((3, 32, 32), 50_000, 10_000, 10),
    "CIFAR100": ((3, 32, 32), 50_000, 10_000, 100),
    "MNIST": ((1, 28, 28), 60_000, 10_000, 10),
    "FashionMNIST": ((1, 28, 28), 60_000, 10_000, 10),
}
_outlined: ContextVar[bool] = ContextVar("outlined", default=False)


@contextmanager
def outlined() -> Generator[None]:
    """Within the block nothing is downloaded: `torchvision_images` gives images of the right size that show nothing."""
    token = _outlined.set(True)
    try:
        yield
    finally:
        _outlined.reset(token)


def data_folder() -> Path:
    """The folder GENSWEEP_DATA; ~/.cache/gensweep/data where that is not set."""
    return Path(os.environ.get("GENSWEEP_DATA") or Path.home() / ".cache" / "gensweep" / "data").absolute()


def source_path(path: str) -> Path:
    """The place that a setting `path` names: absolute, or below the data folder; ValueError where nothing is there."""
    if not path:
        raise ValueError("path='' is not valid: name a file or folder, absolute or relative to GENSWEEP_DATA")
    place = data_folder() / path
    if not place.exists():
        raise ValueError(f"path={path!r} is not valid: there is no {place}; a relative path starts at GENSWEEP_DATA")
    return place


def one_line(error: Exception) -> str:
    """What an exception says, on a single line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def torchvision_images(class_name: ImageSet, name: str) -> Dataset:
    """Official training and test images of CIFAR-10, MNIST or a relative, downloaded once into the data folder.

    `class_name` is torchvision's class, `name` is for messages. Not normalised yet. ValueError where the files cannot
    be had or read.
    """
    if _outlined.get():
        return _outline(class_name)
    # Imported here: torchvision loads all of its models, and torch's compiler with them, for more than a second.
    from torchvision import datasets

    kind: type[CIFAR10] | type[MNIST] = getattr(datasets, class_name)
    folder = data_folder()
    files = kind.base_folder if issubclass(kind, datasets.CIFAR10) else f"{kind.__name__}/raw"
    try:
        _download(kind, folder, files)
        train, test = kind(folder, train=True), kind(folder, train=False)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(_unavailable(name, folder, files, one_line(error))) from error
    return Dataset(
        x_train=_channels_first(np.asarray(train.data)),
        y_train=np.asarray(train.targets, dtype=np.int64),
        x_test=_channels_first(np.asarray(test.data)),
        y_test=np.asarray(test.targets, dtype=np.int64),
        num_classes=len(train.classes),
    )


def _outline(class_name: ImageSet) -> Dataset:
    """Views of one image, so that they need no memory; labels in turn, so that classes are equally frequent."""
    shape, num_train, num_test, num_classes = SIZES[class_name]
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    (x_train, y_train), (x_test, y_test) = (
        (np.broadcast_to(image, (count, *shape)), np.arange(count, dtype=np.int64) % num_classes)
        for count in (num_train, num_test)
    )
    return Dataset(x_train, y_train, x_test, y_test, num_classes)


def _unavailable(name: str, folder: Path, files: str, reason: str) -> str:
    if any((folder / files).glob("*")):
        return f"{name} in {folder / files} is incomplete or damaged ({reason}); delete it to have it downloaded again"
    return (
        f"{name} is not in {folder} and cannot be downloaded ({reason}); "
        f"set GENSWEEP_DATA to the folder that holds {files}/"
    )


def _download(kind: "type[CIFAR10] | type[MNIST]", folder: Path, files: str) -> None:
    if (folder / files).is_dir() and not os.access(folder, os.W_OK):
        return  # a shared, read-only copy
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f".{kind.__name__.lower()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # trials with other settings may be looking for the same files
        kind(folder, download=True)


def _channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if images.ndim == 4 else images[:, None]
