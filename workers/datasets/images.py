"""What the image data sets have in common: their settings, and the steps from the source to the chosen images.

Every step is a function from data set to data set, and leaves it as it is where nothing is asked for. The order is:
classes, subset, size, crop.
"""

import dataclasses
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator, Field

from workers.datasets.dataset import Dataset, Normalization
from workers.seeding import stream


def _different(classes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if classes is not None and len(set(classes)) < max(len(classes), 2):
        raise ValueError("name at least two classes, each once")
    return classes


Size = Annotated[int, Field(ge=1)] | None
Classes = Annotated[tuple[Annotated[int, Field(ge=0)], ...] | None, AfterValidator(_different)]
ImageNormalization = Literal["dataset", "symmetric", "per_image", "none"]


def chosen_images(
    source: Dataset,
    data_seed: int,
    *,
    classes: tuple[int, ...] | None = None,
    num_train: int | None = None,
    num_test: int | None = None,
    size: int | None = None,
    crop: int | None = None,
) -> Dataset:
    """Images of the source: of some classes, so many, so large, their centre; ValueError for more than there is."""
    return central_crop(resized(subset(of_classes(source, classes), data_seed, num_train, num_test), size), crop)


def of_classes(dataset: Dataset, classes: tuple[int, ...] | None) -> Dataset:
    """Only the examples of these classes, which become 0, 1, ... in the order given."""
    if classes is None:
        return dataset
    if dataset.num_classes is None or max(classes) >= dataset.num_classes:
        known = "none" if dataset.num_classes is None else f"0 to {dataset.num_classes - 1}"
        raise ValueError(f"classes={classes} is not valid: the data set has {known}")
    new_label = np.full(dataset.num_classes, -1)
    new_label[list(classes)] = np.arange(len(classes))
    train, test = (new_label[labels.astype(np.int64)] for labels in (dataset.y_train, dataset.y_test))
    return dataclasses.replace(
        dataset,
        x_train=dataset.x_train[train >= 0],
        y_train=train[train >= 0],
        x_test=dataset.x_test[test >= 0],
        y_test=test[test >= 0],
        num_classes=len(classes),
    )


def subset(dataset: Dataset, data_seed: int, num_train: int | None, num_test: int | None) -> Dataset:
    """So many examples, drawn whatever their class; a smaller subset holds the first examples of a larger one."""
    if num_train is not None:
        rows = drawn_rows(len(dataset.y_train), data_seed, "train", num_train)
        dataset = dataclasses.replace(dataset, x_train=dataset.x_train[rows], y_train=dataset.y_train[rows])
    if num_test is not None:
        rows = drawn_rows(len(dataset.y_test), data_seed, "test", num_test)
        dataset = dataclasses.replace(dataset, x_test=dataset.x_test[rows], y_test=dataset.y_test[rows])
    return dataset


def drawn_rows(count: int, data_seed: int, split: str, wanted: int | None) -> NDArray[np.int64]:
    """The first of `count` rows in a random order of the split; all of them where `wanted` is None."""
    if wanted is not None and wanted > count:
        raise ValueError(f"num_{split}={wanted} is not valid: there are {count} {split} examples to draw from")
    order = torch.randperm(count, generator=stream(data_seed, "dataset", "subset", split))
    return order[:wanted].numpy()


def resized(dataset: Dataset, side: int | None) -> Dataset:
    """The central square of every image, resized to so many pixels a side."""
    if side is None:
        return dataset
    # Channel by channel, which is how an image of any number of channels is resized, too.
    train, test = (
        np.stack([[np.asarray(square(Image.fromarray(channel), side)) for channel in image] for image in images])
        for images in (dataset.x_train, dataset.x_test)
    )
    return dataclasses.replace(dataset, x_train=train, x_test=test)


def square(image: Image.Image, side: int) -> Image.Image:
    """The central square of an image, resized (bilinear; where it shrinks, over all pixels that fall into one)."""
    least = min(image.size)
    left, top = ((length - least) // 2 for length in image.size)
    return image.crop((left, top, left + least, top + least)).resize((side, side), Image.Resampling.BILINEAR)


def central_crop(dataset: Dataset, side: int | None) -> Dataset:
    """The central square of every image."""
    if side is None:
        return dataset
    height, width = dataset.input_shape[1:]
    if side > min(height, width):
        raise ValueError(f"crop={side} is not valid: the images have {height} x {width} pixels")
    top, left = round((height - side) / 2), round((width - side) / 2)  # where torchvision crops, too
    train, test = (
        np.ascontiguousarray(images[:, :, top : top + side, left : left + side])
        for images in (dataset.x_train, dataset.x_test)
    )
    return dataclasses.replace(dataset, x_train=train, x_test=test)


def channel_statistics(images: NDArray[np.generic]) -> Normalization:
    """Mean and standard deviation of each channel of uint8 images, black 0 and white 1; exact up to the last digit."""
    values = np.arange(256) / 255
    means: list[float] = []
    deviations: list[float] = []
    for channel in range(images.shape[1]):
        counts = np.bincount(images[:, channel].ravel(), minlength=256)
        mean = float(counts @ values / counts.sum())
        means.append(mean)
        deviations.append(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())))
    if not min(deviations):
        raise ValueError("normalization='dataset' is not valid: a channel has the same value in all training images")
    return tuple(means), tuple(deviations)


def measured_normalization(dataset: Dataset, normalization: ImageNormalization) -> Dataset:
    """The normalisation of images of which no constants are published: those of the training images here."""
    match normalization:
        case "none":
            return dataset
        case "dataset":
            return dataclasses.replace(dataset, normalization=channel_statistics(dataset.x_train))
        case "symmetric":
            return dataclasses.replace(dataset, normalization=symmetric(dataset.input_shape[0]))
        case "per_image":
            return dataclasses.replace(dataset, normalization="per_image")


def symmetric(channels: int) -> Normalization:
    """Black becomes -1 and white 1."""
    return (0.5,) * channels, (0.5,) * channels
