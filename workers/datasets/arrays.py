"""Any examples in a numpy archive."""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.dataset import Augmentation, Dataset
from workers.datasets.images import Classes, ImageNormalization, Size, chosen_images, measured_normalization
from workers.datasets.source_files import one_line, source_path

NAMES = ("x_train", "y_train", "x_test", "y_test")


def arrays(
    data_seed: int,
    *,
    path: str = "",
    channels_last: bool = False,
    size: Size = None,
    crop: Size = None,
    normalization: ImageNormalization = "none",
    num_train: Size = None,
    num_test: Size = None,
    classes: Classes = None,
    augmentation: Augmentation = "none",
) -> Dataset:
    """Examples of one's own, from an .npz file with the arrays x_train, y_train, x_test and y_test.

    `path` is absolute or relative to the folder GENSWEEP_DATA. Inputs are uint8 images (n, channels, h, w), or
    (n, h, w, channels) with `channels_last`, or (n, h, w) in grey; or numbers; or, of any other integer type, tokens.
    Targets (n,) are integers, which are classes from 0, or numbers. Size, crop, normalisation and augmentation are for
    images; `size` resizes their central square to so many pixels a side (bilinear), `crop` then keeps the centre.
    Normalisation "dataset" is by mean and deviation of the training images chosen, "symmetric" to pixels from -1 to 1.
    """
    place = source_path(path)
    dataset = _dataset(_loaded(place), place, channels_last)
    if dataset.x_train.dtype != np.uint8 and (size, crop, normalization, augmentation) != (None, None, "none", "none"):
        raise ValueError(
            f"size={size}, crop={crop}, normalization={normalization!r}, augmentation={augmentation!r} are for uint8 "
            f"images: x_train in {place} is {dataset.x_train.dtype}"
        )
    chosen = chosen_images(
        dataset, data_seed, classes=classes, num_train=num_train, num_test=num_test, size=size, crop=crop
    )
    return dataclasses.replace(measured_normalization(chosen, normalization), augmentation=augmentation)


def _loaded(place: Path) -> dict[str, NDArray[Any]]:
    try:
        with open(place, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if missing := [name for name in NAMES if name not in archive]:
                raise ValueError(f"it has {', '.join(archive) or 'nothing'}, but no {missing[0]}")
            return {name: archive[name] for name in NAMES}
    # A lone array is no context manager: TypeError.
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{place} is not an .npz file with {', '.join(NAMES)} ({one_line(error)})") from error


def _dataset(loaded: dict[str, NDArray[Any]], place: Path, channels_last: bool) -> Dataset:
    x_train, x_test = (_inputs(loaded[name], f"{name} in {place}", channels_last) for name in ("x_train", "x_test"))
    y_train, y_test = (_targets(loaded[name], f"{name} in {place}") for name in ("y_train", "y_test"))
    for x, y, split in ((x_train, y_train, "train"), (x_test, y_test, "test")):
        if not len(x) == len(y) > 0:
            raise ValueError(f"x_{split} and y_{split} in {place} have {len(x)} and {len(y)} examples")
    for name, train, test in (("x", x_train, x_test), ("y", y_train, y_test)):
        if (train.dtype, train.shape[1:]) != (test.dtype, test.shape[1:]):
            raise ValueError(
                f"{name}_train and {name}_test in {place} differ: "
                f"{train.dtype} {train.shape[1:]} and {test.dtype} {test.shape[1:]}"
            )
    num_classes = int(max(y_train.max(), y_test.max())) + 1 if y_train.dtype == np.int64 else None
    return Dataset(x_train, y_train, x_test, y_test, num_classes=num_classes)


def _inputs(x: NDArray[Any], what: str, channels_last: bool) -> NDArray[Any]:
    if x.dtype != np.uint8:
        if channels_last or x.ndim < 2:
            raise ValueError(f"{what} is {x.dtype} {x.shape}: examples are rows, and only uint8 images have channels")
        return _numbers(x, what)
    if x.ndim == 3 and not channels_last:
        return x[:, None]
    if x.ndim != 4 or x.shape[3 if channels_last else 1] not in (1, 3):
        layout = "(n, h, w, channels)" if channels_last else "(n, channels, h, w) unless channels_last=True"
        raise ValueError(f"{what} is uint8 {x.shape}: images are {layout}, with 1 or 3 channels")
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if channels_last else x


def _targets(y: NDArray[Any], what: str) -> NDArray[Any]:
    if y.ndim != 1:
        raise ValueError(f"{what} has shape {y.shape}: targets are (n,)")
    targets = _numbers(y, what)
    if targets.dtype == np.int64 and len(y) and targets.min() < 0:
        raise ValueError(f"{what} holds {targets.min()}: classes are numbered from 0")
    return targets


def _numbers(values: NDArray[Any], what: str) -> NDArray[np.int64] | NDArray[np.float32]:
    """Whole numbers as int64, others as float32."""
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.int64)
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"{what} is {values.dtype}: integers or floating-point numbers are needed")
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{what} holds a number that is not finite, or too large for float32")
    return numbers
