"""Any images in a tree train/CLASS/FILE and test/CLASS/FILE, as torchvision's ImageFolder reads it."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.datasets.dataset import Augmentation, Dataset
from workers.datasets.images import (
    Classes,
    ImageNormalization,
    Size,
    central_crop,
    drawn_rows,
    measured_normalization,
    square,
)
from workers.datasets.source_files import one_line, source_path

if TYPE_CHECKING:
    from torchvision.datasets import ImageFolder

MODES = {1: "L", 3: "RGB"}


def image_folder(
    data_seed: int,
    *,
    path: str = "",
    channels: Literal[1, 3] = 3,
    size: Size = None,
    crop: Size = None,
    normalization: ImageNormalization = "dataset",
    num_train: Size = None,
    num_test: Size = None,
    classes: Classes = None,
    augmentation: Augmentation = "none",
) -> Dataset:
    """Images of one's own, from a folder with train/CLASS/FILE and test/CLASS/FILE.

    `path` is absolute or relative to the folder GENSWEEP_DATA. Classes are numbered from 0 in the order of their names,
    or in the order of `classes`, if only some are wanted. Images come in a random order, drawn by `data_seed`, of
    which a smaller subset is the beginning. With `size`, the central square is resized to so many pixels a side
    (bilinear); without it, all images must have the same size. `crop` then keeps the centre. Normalisation "dataset" is
    by mean and deviation of the training images chosen, "symmetric" to pixels from -1 to 1.
    """
    place = source_path(path)
    train, test = _files(place / "train"), _files(place / "test")
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))[0]
        raise ValueError(f"path={path!r} is not valid: class {odd!r} is not in both train/ and test/")
    chosen = classes or tuple(range(len(train.classes)))
    if max(chosen) >= len(train.classes):
        raise ValueError(f"classes={classes} is not valid: {place} has 0 to {len(train.classes) - 1}")
    x_train, y_train = _split(train, chosen, data_seed, "train", num_train, MODES[channels], size)
    x_test, y_test = _split(test, chosen, data_seed, "test", num_test, MODES[channels], size)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(f"images of {x_train.shape[1:]} in train/, of {x_test.shape[1:]} in test/: set `size`")
    dataset = Dataset(x_train, y_train, x_test, y_test, num_classes=len(chosen), augmentation=augmentation)
    return measured_normalization(central_crop(dataset, crop), normalization)


def _files(folder: Path) -> "ImageFolder":
    from torchvision.datasets import ImageFolder  # here: it loads all of torchvision

    try:
        return ImageFolder(folder)
    except OSError as error:
        raise ValueError(f"{folder} does not hold images in a folder for each class ({one_line(error)})") from error


def _split(
    files: "ImageFolder",
    classes: tuple[int, ...],
    data_seed: int,
    split: str,
    wanted: int | None,
    mode: str,
    size: int | None,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    samples = [(file, classes.index(label)) for file, label in files.samples if label in classes]
    # In random order even where all are wanted: the tree's own order is by class, and some measures take the first.
    rows = drawn_rows(len(samples), data_seed, split, wanted)
    images: NDArray[np.uint8] | None = None
    for place, row in enumerate(rows):
        image = _decoded(samples[row][0], mode, size)
        if images is None:
            images = np.empty((len(rows), *image.shape), dtype=np.uint8)
        if image.shape != images.shape[1:]:
            raise ValueError(f"{samples[row][0]} has shape {image.shape}, others {images.shape[1:]}: set `size`")
        images[place] = image
    if images is None:
        raise ValueError(f"{files.root} has no images of the classes {classes}")
    return images, np.array([samples[row][1] for row in rows], dtype=np.int64)


def _decoded(file: str, mode: str, size: int | None) -> NDArray[np.uint8]:
    """One image, (channels, height, width)."""
    try:
        with Image.open(file) as opened:
            image = opened.convert(mode)
    except OSError as error:
        raise ValueError(f"{file} cannot be decoded ({one_line(error)})") from error
    pixels = np.asarray(image if size is None else square(image, size))
    return pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)
